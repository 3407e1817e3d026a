/** Computes the mode of a copied file or folder from its original mode. */
export type ModeChange = (mode: number, isFolder: boolean) => number;

/** A parsed `--chmod`; `symbolic` unless it is an octal number. */
export interface Chmod {
  readonly symbolic: boolean;
  readonly change: ModeChange;
}

const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;

/**
 * Parses the value of `--chmod`: an octal mode, or a symbolic one such as `u=rw,go=r` or `+x`. Undefined for any other
 * text, and for `X` after `=`, which builders interpret differently: `tonistiigi/dchapes-mode` ignores it, but the
 * reference's own example relies on it.
 * https://docs.docker.com/reference/dockerfile/#copy---chown---chmod
 * https://pubs.opengroup.org/onlinepubs/9699919799/utilities/chmod.html
 */
export function parseChmod(text: string): Chmod | undefined {
  if (/^[0-7]{3,5}$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    return mode <= 0o7777 ? { symbolic: false, change: () => mode } : undefined;
  }
  if (text.length > 100 || /=[rwxst]*X/.test(text)) return undefined;
  const clauses = text.split(',').map((clause) => CLAUSE.exec(clause));
  if (clauses.some((clause) => clause === null)) return undefined;
  const steps = clauses.flatMap((clause) => {
    const [, who = '', actions = ''] = clause ?? [];
    const classes = who === '' || who.includes('a') ? 'ugo' : who;
    return [...actions.matchAll(/([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)/g)].map(
      ([, operator = '', permissions = '']) => ({ classes, operator, permissions }),
    );
  });
  const change: ModeChange = (start, isFolder) => {
    let mode = start;
    for (const { classes, operator, permissions } of steps) {
      const bits = bitsOf(permissions, classes, { mode, start, isFolder });
      if (operator === '-') mode &= ~bits;
      else mode = (operator === '=' ? mode & ~clearedBy(classes) : mode) | bits;
    }
    return mode;
  };
  return { symbolic: true, change };
}

function bitsOf(
  permissions: string,
  classes: string,
  of: { readonly mode: number; readonly start: number; readonly isFolder: boolean },
): number {
  const from = SHIFTS[permissions];
  let bits = from === undefined ? 0 : (of.mode >> from) & 7;
  if (permissions.includes('r')) bits |= 4;
  if (permissions.includes('w')) bits |= 2;
  const runs = permissions.includes('X') && (of.isFolder || (of.start & 0o111) !== 0);
  if (permissions.includes('x') || runs) bits |= 1;
  let all = 0;
  for (const each of classes) all |= bits << (SHIFTS[each] ?? 0);
  if (permissions.includes('s')) {
    if (classes.includes('u')) all |= 0o4000;
    if (classes.includes('g')) all |= 0o2000;
  }
  if (permissions.includes('t') && classes !== 'o') all |= 0o1000;
  return all;
}

function clearedBy(classes: string): number {
  let all = 0;
  for (const each of classes) all |= 7 << (SHIFTS[each] ?? 0);
  if (classes.includes('u')) all |= 0o4000;
  if (classes.includes('g')) all |= 0o2000;
  return all;
}
