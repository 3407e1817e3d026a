import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import { LOCK_FILE, type NpmPin } from './lock.ts';

/** A package of the npm registry as the lock pins it. */
export interface LockedPackage extends NpmPin {
  readonly name: string;
  readonly version: string;
}

/** Unpacks a package of the npm registry into a folder, refusing content with another integrity. */
export type FetchPackage = (
  wanted: { readonly name: string; readonly version: string; readonly integrity: string },
  folder: string,
) => Promise<void>;

/** How a package is fetched, and where progress is told. */
export interface FetchOptions {
  readonly fetch?: FetchPackage;
  readonly progress?: (line: string) => void;
}

/**
 * The path of the file `inner` of a locked package, fetched where it is not there yet. The file was read in full
 * just now and is what the lock says: the lock holds its SHA-256, so that nothing beside the file has a say in it.
 * Throws `RUNTIME_INTEGRITY` for any other content, and `RUNTIME_UNAVAILABLE` where the registry gives none.
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
    `${path}: expected SHA-256 ${locked.sha256} of ${locked.name} ${locked.version}, as ${LOCK_FILE} pins it, found ${found}`,
    {
      hint: `The file or the lock was changed, and nothing of it was run. Remove ${folder} and build again.`,
    },
  );
}

/**
 * Fetches a package that no lock knows the inside of yet, and gives what to lock: the SHA-256 of the file `inner`.
 * The content is what the integrity says, freshly unpacked.
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

/** What the registry says about a version (or a tag such as `latest`) of a package. */
export async function describePackage(
  name: string,
  version: string,
): Promise<{ readonly name: string; readonly version: string; readonly integrity: string }> {
  const [{ default: pacote }, config] = await Promise.all([import('pacote'), npmConfig()]);
  try {
    const manifest = await pacote.manifest(`${name}@${version}`, config);
    if (manifest._integrity === undefined) throw new Error('the registry gives no integrity');
    return { name, version: manifest.version, integrity: manifest._integrity };
  } catch (cause) {
    throw new PrebuiltError(
      'RUNTIME_UNAVAILABLE',
      `${name} ${version}: can't be found in the npm registry: ${(cause as Error).message}`,
      { hint: 'Can the registry be reached, and does it have this version for every platform?', cause },
    );
  }
}

// The folder is named by the archive's integrity, so that another lock never meets it.
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
      // Another build was faster: what it put there is checked like any other. Or somebody took the file out.
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

/** npm's own configuration (registry, proxy, CA, credentials for their hosts), read as npm reads it. */
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
      `${name} ${version}: expected ${integrity}, as ${LOCK_FILE} pins it, found other content`,
      { hint: 'The download was discarded. Find out whether the lock or the registry is wrong.', cause },
    );
  }
  if (code === 'ENOSPC' || code === 'EACCES' || code === 'EROFS' || code === 'EDQUOT') return cause;
  return new PrebuiltError(
    'RUNTIME_UNAVAILABLE',
    `${name} ${version}: can't be fetched from the npm registry: ${cause.message}`,
    { hint: 'It is fetched once and then kept: build once while the registry can be reached.', cause },
  );
}
