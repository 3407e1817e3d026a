import { posix } from 'node:path';
import { ROOT } from '../../artifacts/listed.ts';
import { isInnerPath } from '../../artifacts/manifest-fields.ts';

/** The names that `image.files` accepts besides workspace files. */
export const BUILT_INS = ['ca-certificates', 'tzdata', 'users', 'tmp'] as const;

/** The name of a built-in. */
export type BuiltIn = (typeof BUILT_INS)[number];

/** An entry as configured: a built-in’s name, or a path relative to the workspace root. */
export type ListedOption =
  | string
  | {
      readonly path: string;
      /** The final path in the image. Defaults to the base name of `path`, at the root. */
      readonly to?: string | undefined;
      /** The octal mode of its files. Defaults to 0755 for executable files, otherwise 0644. */
      readonly mode?: string | undefined;
      /** Numeric, or a user in the built-in `users`. */
      readonly owner?: string | undefined;
    };

/** A parsed entry. */
export type ListedEntry =
  | { readonly kind: 'built-in'; readonly name: BuiltIn }
  | {
      readonly kind: 'workspace';
      /** Relative to the workspace root. */
      readonly path: string;
      /** Relative to the image's root; empty for the root itself. */
      readonly to: string;
      readonly mode: string | undefined;
      /** Numeric `user:group`. */
      readonly owner: string;
    };

/** The parsed entries, and their problems, one line each. */
export interface ParsedListed {
  readonly entries: readonly ListedEntry[];
  readonly problems: readonly string[];
}

/** The users in the built-in `users`, with their IDs in distroless images. */
export const USERS: Readonly<Record<string, number>> = { root: 0, nobody: 65534, nonroot: 65532 };

const MAX_ID = 2 ** 31 - 1;

/** Whether this is the name of a built-in. */
export function isBuiltIn(name: string): name is BuiltIn {
  return (BUILT_INS as readonly string[]).includes(name);
}

/** Parses the entries of `image.files` without accessing the disk. */
export function parseListed(options: readonly ListedOption[]): ParsedListed {
  const problems: string[] = [];
  const entries = options.map((option): ListedEntry => {
    if (typeof option === 'string' && isBuiltIn(option)) return { kind: 'built-in', name: option };
    const { path, to, mode, owner } = typeof option === 'string' ? { path: option } : option;
    const normal = posix.normalize(path).replace(/\/$/, '');
    const tell = (problem: string): void => void problems.push(`${path}: ${problem}`);
    const inside = !posix.isAbsolute(path) && isInnerPath(normal);
    if (!inside) tell('expected a file or folder inside the workspace');
    return {
      kind: 'workspace',
      path: normal,
      to: to === undefined ? posix.basename(normal) : destinationOf(to, tell),
      mode: mode === undefined ? undefined : modeOf(mode, tell),
      owner: owner === undefined ? ROOT : ownerOf(owner, tell),
    };
  });
  for (const name of BUILT_INS) {
    const times = entries.filter((entry) => entry.kind === 'built-in' && entry.name === name).length;
    if (times > 1) problems.push(`${name} is listed ${times} times`);
  }
  return { entries, problems };
}

type Tell = (problem: string) => void;

function destinationOf(to: string, tell: Tell): string {
  const inner = to.slice(1).replace(/\/$/, '');
  const fits = to.startsWith('/') && (inner === '' || isInnerPath(inner));
  if (!fits) {
    tell(
      `to: expected an absolute path in the image, such as "/etc/app.json", without "." or "..", found ${JSON.stringify(to)}`,
    );
  }
  return inner;
}

function modeOf(mode: string, tell: Tell): string {
  if (!/^0?[4-7][0-7]{2}$/.test(mode)) {
    tell(`mode: expected an octal mode from "0400" to "0777", found ${JSON.stringify(mode)}`);
  }
  return mode.padStart(4, '0');
}

function ownerOf(owner: string, tell: Tell): string {
  const [user = '', group = user, ...more] = owner.split(':');
  const ids = [user, group].map((each) => (/^\d{1,10}$/.test(each) ? Number(each) : USERS[each]));
  if (more.length > 0 || ids.some((id) => id === undefined || id > MAX_ID)) {
    tell(
      `owner: expected numbers such as "1000:1000", or one of ${Object.keys(USERS).join(', ')}, found ${JSON.stringify(owner)}`,
    );
  }
  return ids.join(':');
}
