import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { isInnerPath } from '../artifacts/manifest.ts';
import { PLATFORMS } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { PACKAGE } from '../package.ts';

/** The lock's name, at the workspace's root. */
export const LOCK_FILE = 'prebuilt.lock.json';

/** The command that writes what the lock lacks. */
export const LOCK_COMMAND = `npx nx g ${PACKAGE.name}:lock`;

/** Where what the lock names is kept once it is fetched, relative to the workspace's root. */
export const CACHE_FOLDER = '.cache/prebuilt';

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(512));
const sha256 = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, 'expected a SHA-256: 64 lower-case hexadecimal digits'),
);
const integrity = v.pipe(
  v.string(),
  v.regex(/^sha512-[A-Za-z0-9+/]{86}==$/, 'expected a Subresource Integrity, sha512-…'),
);
const innerPath = v.pipe(
  v.string(),
  v.maxLength(1024),
  v.check(isInnerPath, 'expected a relative path with "/" that stays inside its folder'),
);
// https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
const debianVersion = v.pipe(
  v.string(),
  v.regex(/^[0-9][A-Za-z0-9.+:~-]{0,200}$/, "expected a Debian package's version"),
);
/** A Debian package's name. https://www.debian.org/doc/debian-policy/ch-controlfields.html#source */
export const debianName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9][a-z0-9+.-]{0,100}$/, "expected a Debian package's name"),
);
const platform = v.picklist(PLATFORMS as readonly string[] as readonly [string, ...string[]]);

const npmPackage = v.strictObject({
  integrity: v.pipe(
    integrity,
    v.description("The integrity of the package's archive, as the registry signs it"),
  ),
  sha256: v.pipe(sha256, v.description('The SHA-256 of the executable inside, checked before each use')),
});

const debianPackage = v.strictObject({
  version: debianVersion,
  architecture: text,
  path: v.pipe(innerPath, v.description('Where the archive is on every mirror of the distribution')),
  sha256: v.pipe(sha256, v.description('The SHA-256 of the archive')),
  contents: v.pipe(sha256, v.description('The SHA-256 of the list of its files, checked before each use')),
});

const emulator = v.strictObject({
  package: debianName,
  version: debianVersion,
  architecture: text,
  path: innerPath,
  sha256: v.pipe(sha256, v.description('The SHA-256 of the archive')),
  executable: v.strictObject({ path: innerPath, sha256 }),
});

const byDebianName = v.record(debianName, debianPackage);

/** The lock's definition; its JSON Schema is generated from it. */
export const lockSchema = v.strictObject({
  $schema: v.optional(v.string()),
  lockVersion: v.literal(1),
  distribution: v.optional(
    v.pipe(v.picklist(['debian', 'ubuntu']), v.description('Whose archive the Debian packages come from')),
  ),
  bun: v.optional(
    v.pipe(
      v.strictObject({ version: text, packages: v.record(text, npmPackage) }),
      v.description(
        'Bun for each platform, from the npm registry: compilers, and runtimes inside executables',
      ),
    ),
  ),
  sysroots: v.optional(
    v.pipe(
      v.record(platform, byDebianName),
      v.description('For each platform the packages that executables get their loader and libraries from'),
    ),
  ),
  emulators: v.optional(
    v.pipe(
      v.record(platform, v.record(platform, emulator)),
      v.description('For each machine that verifies, the emulators of other platforms'),
    ),
  ),
  data: v.optional(v.pipe(byDebianName, v.description('Packages of data: ca-certificates, tzdata'))),
  images: v.optional(
    v.pipe(
      v.record(text, v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, 'expected a digest, sha256:…'))),
      v.description('The digest of each base image, by its reference'),
    ),
  ),
});

/** What enters a release and is not a file of the repository, by hash. */
export type Lock = Readonly<v.InferOutput<typeof lockSchema>>;

/** A package of the npm registry: its archive's integrity, and the SHA-256 of the executable inside. */
export type NpmPin = Readonly<v.InferOutput<typeof npmPackage>>;

/** A Debian package: its archive's SHA-256, and that of the list of its files. */
export type DebianPin = Readonly<v.InferOutput<typeof debianPackage>>;

/** An emulator inside a Debian package. */
export type EmulatorPin = Readonly<v.InferOutput<typeof emulator>>;

/** A lock that names nothing yet. */
export const EMPTY_LOCK: Lock = { lockVersion: 1 };

/** Parses the text of a lock. Throws `LOCKFILE` that names every problem and its path. */
export function parseLock(json: string, source: string): Lock {
  let data: unknown;
  try {
    data = JSON.parse(json);
  } catch (cause) {
    throw new PrebuiltError('LOCKFILE', `${source}: expected JSON: ${(cause as Error).message}`, {
      hint: `Restore it from the repository, or remove it and write a new one: ${LOCK_COMMAND}`,
      cause,
    });
  }
  const parsed = v.safeParse(lockSchema, data);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`);
  throw new PrebuiltError('LOCKFILE', `${source}: ${problems.slice(0, 20).join('; ')}`, {
    hint: `Restore it from the repository, or remove it and write a new one: ${LOCK_COMMAND}`,
  });
}

/** The bytes of a lock: two-space JSON, keys sorted, a final line feed. The same for the same lock. */
export function formatLock(lock: Lock): string {
  return `${JSON.stringify(sorted(lock), null, 2)}\n`;
}

/** Reads the workspace's lock; one that names nothing where there is no file. Throws `LOCKFILE`. */
export async function readLock(workspaceRoot: string): Promise<Lock> {
  const path = join(workspaceRoot, LOCK_FILE);
  let json: string;
  try {
    json = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return EMPTY_LOCK;
    throw new PrebuiltError('LOCKFILE', `${path}: can't be read: ${(cause as Error).message}`, { cause });
  }
  return parseLock(json, path);
}

/** The error of a lock that lacks `what`, with the command that adds it. */
export function lacking(what: string, options = ''): PrebuiltError {
  return new PrebuiltError('LOCKFILE', `${LOCK_FILE}: expected ${what}, found no line for it`, {
    hint: `Add it: ${LOCK_COMMAND}${options === '' ? '' : ` ${options}`}`,
  });
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, sorted(each)]),
  );
}
