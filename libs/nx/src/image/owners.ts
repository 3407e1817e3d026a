import { type Accounts, accountLines } from './base/accounts.ts';
import type { Owner } from './tree-nodes.ts';

/** The user or group doesn't exist, or the text isn't a valid owner. */
export class OwnerError extends Error {
  override readonly name = 'OwnerError';
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

const MAX_ID = 2 ** 31 - 1;

/**
 * Resolves the owner in `--chown` or `USER`: numbers are used as they are, names are looked up in the image's lists. A
 * user name without a group implies the user's group; a number alone implies the group with that number. Throws an
 * `OwnerError`, whereas BuildKit would use root for an unknown name (seen with 0.13).
 * https://docs.docker.com/reference/dockerfile/#copy---chown---chmod
 */
export function ownerOf(text: string, what: string, lists: () => Accounts): Owner {
  const [user = '', group, ...more] = text.split(':');
  if (more.length > 0 || group === '' || (user === '' && group === undefined)) {
    throw new OwnerError(
      `${what}: expected a user, or a user and a group such as 1000:1001, found ${JSON.stringify(text)}`,
    );
  }
  const found = user === '' ? { uid: 0, gid: 0 } : userOf(user, what, lists);
  if (group === undefined) return found;
  return { uid: found.uid, gid: numberOf(group, what) ?? groupOf(group, what, lists()) };
}

function userOf(name: string, what: string, lists: () => Accounts): Owner {
  const id = numberOf(name, what);
  if (id !== undefined) return { uid: id, gid: id };
  const { passwd } = lists();
  const [, , uid, gid] = lineOf(passwd, name, `${what}: ${name}`, '/etc/passwd');
  return { uid: idOf(uid, name, what), gid: idOf(gid, name, what) };
}

function groupOf(name: string, what: string, { group }: Accounts): number {
  const [, , gid] = lineOf(group, name, `${what}: the group ${name}`, '/etc/group');
  return idOf(gid, name, what);
}

function lineOf(list: string | undefined, name: string, subject: string, path: string): readonly string[] {
  if (list === undefined) {
    throw new OwnerError(
      `${subject}: expected ${path} in the image to look up the name, found none`,
      'Use numeric IDs such as 65532:65532, or first copy the built-in "users" of "image.files": COPY files/ /',
    );
  }
  const lines = accountLines(list);
  const line = lines.find(([first]) => first === name);
  if (line !== undefined) return line;
  const names = lines.flatMap(([first]) => (first === undefined || first === '' ? [] : [first]));
  throw new OwnerError(
    `${subject}: expected a line in ${path}, found ${names.slice(0, 20).join(', ') || 'no line'}`,
    'BuildKit would give the files to root. Use numeric IDs, or one of the names in the list.',
  );
}

function numberOf(text: string, what: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id <= MAX_ID) return id;
  throw new OwnerError(`${what}: expected numbers up to ${MAX_ID}, found ${JSON.stringify(text)}`);
}

function idOf(text: string | undefined, name: string, what: string): number {
  const id = text === undefined ? undefined : numberOf(text, what);
  if (id !== undefined) return id;
  throw new OwnerError(
    `${what}: ${name}: expected a number in its line, found ${JSON.stringify(text ?? '')}`,
  );
}
