import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import { LOCK_FILE, type NpmPin } from './lock.ts';

/** An npm package pinned by the lock. */
export interface LockedPackage extends NpmPin {
  readonly name: string;
  readonly version: string;
}

/** Unpacks an npm package into a folder, refusing content with a different integrity hash. */
export type FetchPackage = (
  wanted: { readonly name: string; readonly version: string; readonly integrity: string },
  folder: string,
) => Promise<void>;

/** How to fetch a package, and how to report progress. */
export interface FetchOptions {
  readonly fetch?: FetchPackage;
  readonly progress?: (line: string) => void;
}

/**
 * The path of the file `inner` in a locked package, fetched if missing. Every call reads the file in full and checks it
 * against the SHA-256 in the lock, regardless of any other files. Throws `RUNTIME_INTEGRITY` for any other content, and
 * `RUNTIME_UNAVAILABLE` if the registry doesn't provide it.
 */
export async function lockedFile(
  cacheFolder: string,
  locked: LockedPackage,
  inner: string,
  options: FetchOptions = {},
): Promise<string> {
  const folder = packageFolder(cacheFolder, locked.integrity);
  const path = join(folder, inner);
  if (!existsSync(path)) {
    options.progress?.(`fetching ${locked.name} ${locked.version}`);
    await fetchInto(cacheFolder, folder, locked, inner, options.fetch ?? fetchFromRegistry);
  }
  const found = await sha256OfFile(path);
  if (found === locked.sha256) return path;
  throw new PrebuiltError(
    'RUNTIME_INTEGRITY',
    `${path}: expected SHA-256 ${locked.sha256} of ${locked.name} ${locked.version} from ${LOCK_FILE}, found ${found}`,
    {
      hint: `The file or the lock was changed. The file was not run. Remove ${folder} and build again.`,
    },
  );
}

/**
 * Fetches a package that isn't locked yet, and returns the SHA-256 of the file `inner` for the lock. The file is
 * freshly unpacked and matches the integrity hash.
 */
export async function hashInner(
  cacheFolder: string,
  wanted: { readonly name: string; readonly version: string; readonly integrity: string },
  inner: string,
  options: FetchOptions = {},
): Promise<string> {
  const folder = packageFolder(cacheFolder, wanted.integrity);
  options.progress?.(`fetching ${wanted.name} ${wanted.version}`);
  return fetchInto(cacheFolder, folder, wanted, inner, options.fetch ?? fetchFromRegistry);
}

/** Looks up a version (or a tag such as `latest`) of a package in the registry. */
export async function describePackage(
  name: string,
  version: string,
): Promise<{ readonly name: string; readonly version: string; readonly integrity: string }> {
  const [{ default: pacote }, config] = await Promise.all([import('pacote'), npmConfig()]);
  try {
    const manifest = await pacote.manifest(`${name}@${version}`, config);
    if (manifest._integrity === undefined) throw new Error('the registry provides no integrity hash');
    return { name, version: manifest.version, integrity: manifest._integrity };
  } catch (cause) {
    throw new PrebuiltError(
      'RUNTIME_UNAVAILABLE',
      `${name} ${version}: not found in the npm registry: ${(cause as Error).message}`,
      {
        hint: 'Check that the registry is reachable, and that it has this version for every platform.',
        cause,
      },
    );
  }
}

// The folder is named after the archive's integrity hash, so locks with other content never share it.
function packageFolder(cacheFolder: string, integrity: string): string {
  const base64 = integrity.slice('sha512-'.length);
  return join(cacheFolder, 'npm', Buffer.from(base64, 'base64').toString('hex'));
}

async function fetchInto(
  cacheFolder: string,
  folder: string,
  wanted: { readonly name: string; readonly version: string; readonly integrity: string },
  inner: string,
  fetch: FetchPackage,
): Promise<string> {
  await mkdir(join(cacheFolder, 'npm'), { recursive: true });
  const temporary = await mkdtemp(join(cacheFolder, 'npm', '.fetch-'));
  try {
    await fetch(wanted, temporary);
    const sha256 = await sha256OfFile(join(temporary, inner));
    await rename(temporary, folder).catch(async () => {
      // Another build was faster; its files are checked like any others. Or the file was removed from the folder.
      if (existsSync(join(folder, inner))) return;
      await rm(folder, { recursive: true, force: true });
      await rename(temporary, folder);
    });
    return sha256;
  } catch (cause) {
    throw translate(cause, wanted);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function fetchFromRegistry(
  wanted: { readonly name: string; readonly version: string; readonly integrity: string },
  folder: string,
): Promise<void> {
  const [{ default: pacote }, config] = await Promise.all([import('pacote'), npmConfig()]);
  await pacote.extract(`${wanted.name}@${wanted.version}`, folder, {
    ...config,
    integrity: wanted.integrity,
    preferOffline: true,
  });
}

/** npm's configuration (registry, proxy, CA, credentials for their hosts), read the way npm does. */
async function npmConfig(): Promise<Record<string, unknown>> {
  const [{ default: Config }, { default: npm }] = await Promise.all([
    import('@npmcli/config'),
    import('@npmcli/config/lib/definitions/index.js'),
  ]);
  const config = new Config({
    npmPath: process.cwd(),
    definitions: npm.definitions,
    shorthands: npm.shorthands,
    flatten: npm.flatten,
    argv: [process.execPath, 'npm'],
    warn: false,
  });
  await config.load();
  return config.flat;
}

function translate(
  cause: unknown,
  {
    name,
    version,
    integrity,
  }: { readonly name: string; readonly version: string; readonly integrity: string },
): unknown {
  if (!(cause instanceof Error) || !('code' in cause)) return cause;
  const { code } = cause;
  if (code === 'EINTEGRITY') {
    return new PrebuiltError(
      'RUNTIME_INTEGRITY',
      `${name} ${version}: expected ${integrity} from ${LOCK_FILE}, found different content`,
      { hint: 'The download was discarded. Find out whether the lock or the registry is wrong.', cause },
    );
  }
  if (code === 'ENOSPC' || code === 'EACCES' || code === 'EROFS' || code === 'EDQUOT') return cause;
  return new PrebuiltError(
    'RUNTIME_UNAVAILABLE',
    `${name} ${version}: can't be fetched from the npm registry: ${cause.message}`,
    { hint: 'It is cached after the first download: build once while the registry is reachable.', cause },
  );
}
