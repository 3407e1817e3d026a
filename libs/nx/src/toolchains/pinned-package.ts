import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import type { LockedPackage } from './lockfile.ts';

const RECORD = 'checked.json';
/** Which file it was that had the recorded hash, when it was last read in full. */
const SEEN = 'seen.json';
// A file system tells two changes apart only when some time has passed between them.
const SETTLED_MS = 2000;

/** Unpacks a package of the npm registry into a folder, refusing content with another integrity. */
export type FetchPackage = (locked: LockedPackage, folder: string) => Promise<void>;

/** A file of a pinned package in the content-addressed folder. */
export interface PinnedFile {
  readonly path: string;
  /**
   * Throws `RUNTIME_INTEGRITY` where the file is no longer what was unpacked. Hashes it in full, except where the
   * kernel says that nothing has touched it since that was last done on this machine and since its start.
   */
  check(): Promise<void>;
}

/**
 * The file `inner` of a pinned package, fetched where it is not there yet. The folder is named by the lockfile's
 * integrity, so that another lockfile never meets it. Throws `RUNTIME_INTEGRITY` where the registry gives other
 * content than the lockfile pins, and `RUNTIME_UNAVAILABLE` where it gives none.
 */
export async function pinnedFile(
  cacheFolder: string,
  locked: LockedPackage,
  inner: string,
  options: {
    readonly fetch?: FetchPackage;
    readonly progress?: (line: string) => void;
    /** Milliseconds since 1970. */
    readonly now?: () => number;
  } = {},
): Promise<PinnedFile> {
  const folder = join(cacheFolder, folderName(locked.integrity));
  if (!existsSync(join(folder, RECORD))) {
    options.progress?.(`fetching ${locked.name} ${locked.version}`);
    await fetchInto(cacheFolder, folder, locked, inner, options.fetch ?? fetchFromRegistry);
  }
  const path = join(folder, inner);
  return {
    path,
    async check() {
      const expected = JSON.parse(await readFile(join(folder, RECORD), 'utf8'))[inner];
      const seen = join(folder, SEEN);
      const before = await stampOf(path, expected);
      if (before.text === (await readFile(seen, 'utf8').catch(() => undefined))) return;
      const settled = before.changedMs < (options.now ?? Date.now)() - SETTLED_MS;
      const found = await sha256OfFile(path);
      if (found !== expected) {
        throw new PrebuiltError(
          'RUNTIME_INTEGRITY',
          `${path}: expected SHA-256 ${expected}, as it was unpacked from ${locked.name} ${locked.version}, found ${found}`,
          { hint: `Something changed the file. Remove ${folder} and build again.` },
        );
      }
      if (settled && (await stampOf(path, expected)).text === before.text) await writeSeen(seen, before.text);
    },
  };
}

/**
 * What tells a file from any other, and from itself after a change: the kernel sets `ctime` at every change of content
 * or metadata, and no program can set it. The start of the machine is part of it, so that the content of a disk that
 * was elsewhere meanwhile is read again.
 */
async function stampOf(
  path: string,
  sha256: string,
): Promise<{ readonly text: string; readonly changedMs: number }> {
  const [found, boot] = await Promise.all([
    stat(path, { bigint: true }),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => randomUUID()),
  ]);
  const { dev, ino, size, mtimeNs, ctimeNs } = found;
  const text = [sha256, boot.trim(), dev, ino, size, mtimeNs, ctimeNs].map(String);
  return { text: `${JSON.stringify(text)}\n`, changedMs: Number(found.ctimeMs) };
}

// Only saves time: where it can't be written, the file is hashed again the next time.
async function writeSeen(path: string, text: string): Promise<void> {
  const temporary = `${path}-${process.pid}-${randomUUID()}`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function fetchInto(
  cacheFolder: string,
  folder: string,
  locked: LockedPackage,
  inner: string,
  fetch: FetchPackage,
): Promise<void> {
  await mkdir(cacheFolder, { recursive: true });
  const temporary = await mkdtemp(join(cacheFolder, '.fetch-'));
  try {
    await fetch(locked, temporary);
    const record = { [inner]: await sha256OfFile(join(temporary, inner)) };
    await writeFile(join(temporary, RECORD), `${JSON.stringify(record)}\n`);
    await rename(temporary, folder).catch((error: NodeJS.ErrnoException) => {
      // Another build was faster; its folder has the same content.
      if (!existsSync(join(folder, RECORD))) throw error;
    });
  } catch (cause) {
    throw translate(cause, locked);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function fetchFromRegistry(locked: LockedPackage, folder: string): Promise<void> {
  const [{ default: pacote }, config] = await Promise.all([import('pacote'), npmConfig()]);
  await pacote.extract(`${locked.name}@${locked.version}`, folder, {
    ...config,
    integrity: locked.integrity,
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

function translate(cause: unknown, locked: LockedPackage): unknown {
  if (!(cause instanceof Error) || !('code' in cause)) return cause;
  const { code } = cause;
  if (code === 'EINTEGRITY') {
    return new PrebuiltError(
      'RUNTIME_INTEGRITY',
      `${locked.name} ${locked.version}: expected ${locked.integrity}, as package-lock.json pins it, found other content`,
      { hint: 'Nothing of it was kept. Find out whether the lockfile or the registry is wrong.', cause },
    );
  }
  if (code === 'ENOSPC' || code === 'EACCES' || code === 'EROFS' || code === 'EDQUOT') return cause;
  return new PrebuiltError(
    'RUNTIME_UNAVAILABLE',
    `${locked.name} ${locked.version}: can't be fetched from the npm registry: ${cause.message}`,
    { hint: 'It is fetched once and then kept: build once while the registry can be reached.', cause },
  );
}

function folderName(integrity: string): string {
  const [algorithm, base64] = integrity.split(' ')[0]?.split('-', 2) ?? [];
  return `${algorithm}-${Buffer.from(base64 ?? '', 'base64').toString('hex')}`;
}
