import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { isInnerPath } from '../artifacts/manifest.ts';
import { PLATFORMS } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { PACKAGE } from '../package.ts';

/** The lock's name, in the workspace root. */
export const LOCK_FILE = 'prebuilt.lock.json';

/** The command that adds missing entries to the lock. */
export const LOCK_COMMAND = `npx nx g ${PACKAGE.name}:lock`;

/** The folder for downloads of the lock's content, relative to the workspace root. */
export const CACHE_FOLDER = '.cache/prebuilt';

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(512));
const sha256 = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, 'expected a SHA-256: 64 lowercase hexadecimal digits'),
);
const integrity = v.pipe(
  v.string(),
  v.regex(/^sha512-[A-Za-z0-9+/]{86}==$/, 'expected a Subresource Integrity hash, sha512-…'),
);
const innerPath = v.pipe(
  v.string(),
  v.maxLength(1024),
  v.check(isInnerPath, 'expected a relative path with "/" that stays inside its folder'),
);
// https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
const debianVersion = v.pipe(
  v.string(),
  v.regex(/^[0-9][A-Za-z0-9.+:~-]{0,200}$/, 'expected a Debian package version'),
);
/** A Debian package's name. https://www.debian.org/doc/debian-policy/ch-controlfields.html#source */
export const debianName = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9][a-z0-9+.-]{0,100}$/, 'expected a Debian package name'),
);
const platform = v.picklist(PLATFORMS as readonly string[] as readonly [string, ...string[]]);

const npmPackage = v.strictObject({
  integrity: v.pipe(
    integrity,
    v.description("The integrity hash of the package's archive, as signed by the registry"),
  ),
  sha256: v.pipe(
    sha256,
    v.description('The SHA-256 of the executable in the package, checked before each use'),
  ),
});

const debianPackage = v.strictObject({
  version: debianVersion,
  architecture: text,
  path: v.pipe(innerPath, v.description('The path of the archive on every mirror of the distribution')),
  sha256: v.pipe(sha256, v.description('The SHA-256 of the archive')),
  contents: v.pipe(sha256, v.description('The SHA-256 of the listing of its files, checked before each use')),
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

/** The lock's definition. Its JSON Schema is generated from this. */
export const lockSchema = v.strictObject({
  $schema: v.optional(v.string()),
  lockVersion: v.literal(1),
  distribution: v.optional(
    v.pipe(
      v.picklist(['debian', 'ubuntu']),
      v.description('The distribution that the Debian packages come from'),
    ),
  ),
  bun: v.optional(
    v.pipe(
      v.strictObject({ version: text, packages: v.record(text, npmPackage) }),
      v.description(
        'Bun for each platform, from the npm registry: compilers, and the runtimes in executables',
      ),
    ),
  ),
  sysroots: v.optional(
    v.pipe(
      v.record(platform, byDebianName),
      v.description('The packages with the loader and libraries for executables, by platform'),
    ),
  ),
  emulators: v.optional(
    v.pipe(
      v.record(platform, v.record(platform, emulator)),
      v.description('The emulators of other platforms, by the platform of the machine that verifies'),
    ),
  ),
  data: v.optional(v.pipe(byDebianName, v.description('Data packages: ca-certificates, tzdata'))),
  images: v.optional(
    v.pipe(
      v.record(text, v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, 'expected a digest, sha256:…'))),
      v.description('The digest of each base image, by its reference'),
    ),
  ),
});

/** Everything that becomes part of a release and isn't in the repository, pinned by hash. */
export type Lock = Readonly<v.InferOutput<typeof lockSchema>>;

/** An npm package: its archive's integrity hash, and the SHA-256 of the executable in it. */
export type NpmPin = Readonly<v.InferOutput<typeof npmPackage>>;

/** A Debian package: the SHA-256 of its archive, and that of the listing of its files. */
export type DebianPin = Readonly<v.InferOutput<typeof debianPackage>>;

/** An emulator in a Debian package. */
export type EmulatorPin = Readonly<v.InferOutput<typeof emulator>>;

/** An empty lock. */
export const EMPTY_LOCK: Lock = { lockVersion: 1 };

/** Parses the text of a lock. Throws `LOCKFILE`, listing every problem with its path. */
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

/** The text of a lock: two-space JSON with sorted keys and a final line feed, identical for identical locks. */
export function formatLock(lock: Lock): string {
  return `${JSON.stringify(sorted(lock), null, 2)}\n`;
}

/** Reads the workspace's lock; returns an empty one if there is no file. Throws `LOCKFILE`. */
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

/** The error for a lock that lacks `what`, with the command that adds it. */
export function lacking(what: string, options = ''): PrebuiltError {
  return new PrebuiltError('LOCKFILE', `${LOCK_FILE}: expected ${what}, found no entry`, {
    hint: `Update the lock: ${LOCK_COMMAND}${options === '' ? '' : ` ${options}`}`,
  });
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, sorted(each)]),
  );
}
