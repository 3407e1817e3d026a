import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Descriptor } from '../descriptor.ts';
import { digestFromHex, digestHex } from '../digest.ts';
import { OciError } from '../errors.ts';

/** The blobs folder inside an image layout. */
export const BLOBS_FOLDER = 'blobs/sha256';

const CHANGED_HINT = 'The file was changed after the image was made: make the image again.';

const CHUNK_BYTES = 1024 * 1024;
const MIN_CHUNK_BYTES = 4 * 1024;

/**
 * The bytes of a blob, in chunks. Throws `DIGEST_MISMATCH` after the last chunk if they don't match the descriptor:
 * discard anything made from them until then.
 */
export async function* readBlob(folder: string, descriptor: Descriptor): AsyncGenerator<Buffer> {
  const path = await blobPath(folder, descriptor);
  const hash = createHash('sha256');
  // Most blobs are small, and allocating a large buffer costs more than reading them.
  const highWaterMark = Math.min(CHUNK_BYTES, Math.max(descriptor.size, MIN_CHUNK_BYTES));
  for await (const chunk of createReadStream(path, { highWaterMark })) {
    hash.update(chunk);
    yield chunk;
  }
  checkDigest(path, descriptor, digestFromHex(hash.digest('hex')));
}

/**
 * The path of a descriptor's blob in a layout. Throws `SIZE_MISMATCH`, or `INVALID_LAYOUT` if it is not a file or the
 * descriptor's media type is not `mediaType`.
 */
export async function blobPath(folder: string, descriptor: Descriptor, mediaType?: string): Promise<string> {
  const path = join(folder, BLOBS_FOLDER, digestHex(descriptor.digest));
  if (mediaType !== undefined && descriptor.mediaType !== mediaType) {
    throw new OciError(
      'INVALID_LAYOUT',
      `${path}: expected the media type ${mediaType}, found ${descriptor.mediaType}`,
    );
  }
  const found = await statFile(path);
  if (found !== descriptor.size) {
    throw new OciError('SIZE_MISMATCH', `${path}: expected ${descriptor.size} bytes, found ${found}`, {
      hint: CHANGED_HINT,
    });
  }
  return path;
}

/** Throws `DIGEST_MISMATCH` if a file's digest is not its descriptor's. */
export function checkDigest(path: string, { digest }: Descriptor, found: string): void {
  if (found !== digest) {
    throw new OciError('DIGEST_MISMATCH', `${path}: expected content with ${digest}, found ${found}`, {
      hint: CHANGED_HINT,
    });
  }
}

/** The size of a file in bytes. Throws `INVALID_LAYOUT` for anything other than a regular file. */
export async function statFile(path: string): Promise<number> {
  const found = await lstat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new OciError(
      'INVALID_LAYOUT',
      `${path}: ${cause.code === 'ENOENT' ? 'expected a file, found none' : cause.message}`,
      { cause },
    );
  });
  if (!found.isFile()) throw new OciError('INVALID_LAYOUT', `${path}: expected a regular file`);
  return found.size;
}
