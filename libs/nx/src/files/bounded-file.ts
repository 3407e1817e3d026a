import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { PrebuiltError, type PrebuiltErrorCode } from '../errors.ts';

/** The limits for a file written by another job or machine. */
export interface FileBounds {
  readonly maxBytes: number;
  /** The error code for a file that can't be read within these limits. */
  readonly code: PrebuiltErrorCode;
}

/**
 * The bytes of a regular file; undefined if there is none. Never blocks and never follows a link: throws the given code
 * for a FIFO, a device, a link, or a file that is or grows larger than `maxBytes`.
 */
export async function readBoundedFile(
  path: string,
  { maxBytes, code }: FileBounds,
): Promise<Buffer | undefined> {
  const refusal = (problem: string, cause?: unknown): PrebuiltError =>
    new PrebuiltError(code, `${path}: ${problem}`, { cause });
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const problem = cause as NodeJS.ErrnoException;
    if (problem.code === 'ENOENT') return undefined;
    if (problem.code === 'ELOOP') throw refusal('expected a regular file, found a link', cause);
    throw refusal(`can't be read: ${problem.message}`, cause);
  }
  await using _ = file;
  const found = await file.stat();
  if (!found.isFile()) throw refusal('expected a regular file, found something else');
  const buffer = Buffer.alloc(Math.min(found.size, maxBytes) + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    length += bytesRead;
    if (bytesRead === 0) return buffer.subarray(0, length);
    if (length > maxBytes) throw refusal(`expected at most ${maxBytes} bytes, found more`);
    if (length === buffer.length) throw refusal('grew while being read');
  }
}
