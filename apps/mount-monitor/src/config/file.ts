import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ConfigError } from './errors.ts';

/** The largest configuration file, in bytes. */
export const maxConfigBytes = 1024 * 1024;

/** A configuration file's text at one moment. */
export interface ConfigText {
  readonly source: string;
  readonly text: string;
  /** Warnings about the file itself. */
  readonly warnings: readonly string[];
}

/**
 * Reads a configuration file of at most 1 MiB synchronously, so the file system must be one that answers. `source` is
 * the file's name in messages. Throws {@link ConfigError} with the reason if it cannot be read; returns `undefined`
 * only if the file does not exist and `optional` is set.
 */
export function readConfigFile(path: string, source: string, optional: boolean): ConfigText | undefined {
  let descriptor: number | undefined;
  try {
    // Non-blocking: opening a FIFO that nobody writes to would otherwise wait forever.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return readOpened(descriptor, source);
  } catch (cause) {
    if (optional && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (cause instanceof ConfigError) throw cause;
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      'unreadable',
      `${source}: cannot read the configuration file: ${detail}`,
      [],
      cause,
    );
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function readOpened(descriptor: number, source: string): ConfigText {
  const stats = fstatSync(descriptor);
  const { size, mode } = stats;
  if (!stats.isFile()) {
    throw new ConfigError('unreadable', `${source}: expected a regular file, found something else`);
  }
  const buffer = Buffer.alloc(Math.min(size, maxConfigBytes) + 1);
  let length = 0;
  for (;;) {
    const count = readSync(descriptor, buffer, length, buffer.length - length, length);
    length += count;
    if (count === 0 || length === buffer.length) break;
  }
  if (length > maxConfigBytes || size > maxConfigBytes) {
    throw new ConfigError('unreadable', `${source}: expected at most ${maxConfigBytes} bytes, found ${size}`);
  }
  const warnings =
    (mode & 0o002) === 0 ? [] : [`${source}: every user can write to this file; run chmod o-w ${source}`];
  return { source, text: buffer.toString('utf8', 0, length), warnings };
}
