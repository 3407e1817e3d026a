import { posix } from 'node:path';
import { ROOT } from '../../artifacts/listed.ts';
import { isInnerPath } from '../../artifacts/manifest-fields.ts';

/** What `image.files` may name beside files of the workspace. */
export const BUILT_INS = ['ca-certificates', 'tzdata', 'users', 'tmp'] as const;

/** One of them. */
export type BuiltIn = (typeof BUILT_INS)[number];

/** An entry as it is configured: a built-in’s name, or a path relative to the workspace's root. */
export type ListedOption =
  | string
  | {
      readonly path: string;
      /** The final path in the image; defaults to the last name of `path`, at the root. */
      readonly to?: string | undefined;
      /** The octal mode of its files; defaults to 0755 for executable ones, else 0644. */
      readonly mode?: string | undefined;
      /** By number, or one of the users of the built-in `users`. */
      readonly owner?: string | undefined;
    };

/** An entry that can be looked for. */
export type ListedEntry =
  | { readonly kind: 'built-in'; readonly name: BuiltIn }
  | {
      readonly kind: 'workspace';
      /** Relative to the workspace's root. */
      readonly path: string;
      /** Relative to the image's root; empty for the root itself. */
      readonly to: string;
      readonly mode: string | undefined;
      /** `user:group`, by number. */
      readonly owner: string;
    };

/** Entries, and what is wrong with the others, one line each. */
export interface ParsedListed {
  readonly entries: readonly ListedEntry[];
  readonly problems: readonly string[];
}

/** The users of the built-in `users`, with the numbers that distroless images have. */
export const USERS: Readonly<Record<string, number>> = { root: 0, nobody: 65534, nonroot: 65532 };

const MAX_ID = 2 ** 31 - 1;

/** Whether it is a built-in's name. */
export function isBuiltIn(name: string): name is BuiltIn {
  return (BUILT_INS as readonly string[]).includes(name);
}

/** Parses the entries of `image.files`, without a look at the disk. */
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
    if (times > 1) problems.push(`${name}: is listed ${times} times`);
  }
  return { entries, problems };
}

type Tell = (problem: string) => void;

function destinationOf(to: string, tell: Tell): string {
  const inner = to.slice(1).replace(/\/$/, '');
  const fits = to.startsWith('/') && (inner === '' || isInnerPath(inner));
  if (!fits) {
    tell(
      `to: expected an absolute path in the image, such as "/etc/app.json", without "." and "..", found ${JSON.stringify(to)}`,
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
