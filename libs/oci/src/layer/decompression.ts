import { createZstdDecompress } from 'node:zlib';
import type { Compression } from '../descriptor.ts';
import { OciError } from '../errors.ts';
import { type Chunks, piped } from './chunk-pipeline.ts';
import { gunzipped, type HeaderFields } from './gzip-member.ts';
import { oneFrame } from './zstd-frame.ts';

const OUTPUT_CHUNK = 256 * 1024;

/**
 * The tar inside a layer: exactly one gzip member, one zstd frame, or the bytes as they are. A chunk is invalid once
 * the next one is requested; `fields` refers to the gzip header. Throws `INVALID_LAYER`, and whatever the source
 * throws.
 */
export async function* decompressed(
  source: Chunks,
  compression: Compression,
  fields: HeaderFields = 'refused',
): AsyncGenerator<Buffer> {
  if (compression === 'none') {
    for await (const chunk of source) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    return;
  }
  try {
    if (compression === 'gzip') yield* gunzipped(source, fields);
    else yield* piped(oneFrame(source), createZstdDecompress({ chunkSize: OUTPUT_CHUNK }));
  } catch (cause) {
    if (cause instanceof OciError || !String((cause as NodeJS.ErrnoException).code).startsWith('Z'))
      throw cause;
    throw new OciError('INVALID_LAYER', `layer: can't be decompressed: ${(cause as Error).message}`, {
      cause,
    });
  }
}
