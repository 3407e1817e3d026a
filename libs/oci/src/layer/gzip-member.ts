import { crc32, createInflateRaw } from 'node:zlib';
import { OciError } from '../errors.ts';
import { type Chunks, piped } from './chunk-pipeline.ts';

const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
const OUTPUT_CHUNK = 256 * 1024;

/**
 * What a gzip stream of exactly one member holds. Readers disagree about everything else: some stop after the first
 * member where others continue, some pass over what follows it, some take files from extra fields of the header. Throws
 * `INVALID_LAYER` for a header with a name, a comment or extra fields, for a second member or any byte after the first
 * one, and for a wrong checksum or size. zlib's own errors pass through.
 * https://www.rfc-editor.org/rfc/rfc1952#section-2.3
 */
export async function* gunzipped(source: Chunks): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw({ chunkSize: OUTPUT_CHUNK });
  const compressed = new CompressedMember();
  let checksum = 0;
  let size = 0;
  for await (const chunk of piped(compressed.body(source), inflate)) {
    checksum = crc32(chunk, checksum);
    size += chunk.length;
    yield chunk;
  }
  compressed.checkEnd(inflate.bytesWritten, checksum, size);
}

/** A member while it passes: its header is checked, its last bytes are kept. */
class CompressedMember {
  #tail: Buffer = Buffer.alloc(0);
  #bodyBytes = 0;

  async *body(source: Chunks): AsyncGenerator<Uint8Array> {
    let header: Buffer = Buffer.alloc(0);
    for await (const chunk of source) {
      const missing = HEADER_BYTES - header.length;
      if (missing > 0) {
        header = Buffer.concat([header, chunk.subarray(0, missing)]);
        if (header.length === HEADER_BYTES) checkHeader(header);
      }
      const rest = chunk.subarray(Math.max(missing, 0));
      if (rest.length === 0) continue;
      this.#bodyBytes += rest.length;
      this.#tail = Buffer.concat([this.#tail, rest.subarray(-TRAILER_BYTES)]).subarray(-TRAILER_BYTES);
      yield rest;
    }
    if (header.length < HEADER_BYTES) throw invalid('truncated in the header');
  }

  checkEnd(deflatedBytes: number, checksum: number, size: number): void {
    const surplus = this.#bodyBytes - deflatedBytes - TRAILER_BYTES;
    if (surplus < 0) throw invalid('truncated in the trailer');
    if (surplus > 0) throw invalid(`${surplus} bytes follow the first member, expected none`);
    if (this.#tail.readUInt32LE(0) !== checksum)
      throw invalid('content whose checksum is not the one in its trailer');
    if (this.#tail.readUInt32LE(4) !== size % 2 ** 32)
      throw invalid('content whose size is not the one in its trailer');
  }
}

function checkHeader(header: Buffer): void {
  if (header.readUInt16BE(0) !== 0x1f8b || header[2] !== 8) throw invalid('no gzip header');
  if (header[3] !== 0) {
    throw invalid(`a header with the flags 0x${header[3]?.toString(16)} (a name, comment or extra field)`);
  }
}

function invalid(problem: string): OciError {
  return new OciError('INVALID_LAYER', `layer: gzip: ${problem}`);
}
