import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ConfigError } from './errors.ts';

/** The largest configuration file, in bytes. */
export const maxConfigBytes = 1024 * 1024;

/** How long reading may take, in ms. A file on a mount that hangs would never be read. */
const MAX_READ_MS = 5000;

/** A configuration file's text as it stood at one moment. */
export interface ConfigText {
  readonly source: string;
  readonly text: string;
  /** What is odd about the file itself. */
  readonly warnings: readonly string[];
}

/** Files that are still being read after their time; none of them is opened again before that has ended. */
const late = new Set<string>();

/**
 * Reads a configuration file of at most 1 MiB, within 5 s. Throws {@link ConfigError} with the path and the reason where
 * it cannot be read; `undefined` only where the file does not exist and `optional` is set.
 */
export async function readConfigFile(source: string, optional = false): Promise<ConfigText | undefined> {
  if (late.has(source)) throw tooLate(source);
  const reading = readWhole(source, optional);
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late.add(source);
      const ended = (): boolean => late.delete(source);
      reading.then(ended, ended);
      reject(tooLate(source));
    }, MAX_READ_MS);
  });
  try {
    return await Promise.race([reading, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function tooLate(source: string): ConfigError {
  const found = 'nothing: it may be on a mount that hangs';
  return new ConfigError(
    'unreadable',
    `${source}: expected the file within ${MAX_READ_MS / 1000} s, found ${found}`,
  );
}

/** Opens without waiting: a FIFO that nobody writes to would hold up a plain open for ever. */
function openNow(source: string): Promise<FileHandle> {
  return open(source, constants.O_RDONLY | constants.O_NONBLOCK);
}

async function readWhole(source: string, optional: boolean): Promise<ConfigText | undefined> {
  const handle = await openNow(source).catch((cause: NodeJS.ErrnoException) => {
    if (optional && cause.code === 'ENOENT') return undefined;
    throw unreadable(source, cause);
  });
  if (handle === undefined) return undefined;
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) {
      throw new ConfigError('unreadable', `${source}: expected a regular file, found something else`);
    }
    const buffer = Buffer.alloc(Math.min(stats.size, maxConfigBytes) + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) break;
    }
    if (length > maxConfigBytes || stats.size > maxConfigBytes) {
      throw new ConfigError(
        'unreadable',
        `${source}: expected at most ${maxConfigBytes} bytes, found ${stats.size}`,
      );
    }
    const warnings =
      (stats.mode & 0o002) === 0
        ? []
        : [`${source}: every user may write this file; run chmod o-w ${source}`];
    return { source, text: buffer.toString('utf8', 0, length), warnings };
  } catch (cause) {
    throw cause instanceof ConfigError ? cause : unreadable(source, cause);
  } finally {
    await handle.close();
  }
}

function unreadable(source: string, cause: unknown): ConfigError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new ConfigError('unreadable', `${source}: cannot read the configuration file: ${detail}`, [], cause);
}
