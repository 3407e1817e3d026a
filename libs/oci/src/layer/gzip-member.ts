import { crc32, createInflateRaw } from 'node:zlib';
import { OciError } from '../errors.ts';
import { type Chunks, piped } from './chunk-pipeline.ts';

const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
const OUTPUT_CHUNK = 256 * 1024;
/** More than a name, a comment and extra fields need together. */
const MAX_HEADER_BYTES = 128 * 1024;
const [HEADER_CHECKSUM, EXTRA, NAME, COMMENT, RESERVED] = [0x02, 0x04, 0x08, 0x10, 0xe0];

/** How a name, a comment or extra fields in a member's header are handled. */
export type HeaderFields = 'refused' | 'skipped';

/**
 * The content of a gzip stream with exactly one member. Readers disagree about everything else: some stop after the
 * first member where others continue, some ignore what follows it, some take files from extra header fields. Throws
 * `INVALID_LAYER` for a header with a name, a comment or extra fields unless they are `skipped`, for a second member or
 * any byte after the first one, and for a wrong checksum or size. zlib's own errors are passed through.
 * https://www.rfc-editor.org/rfc/rfc1952#section-2.3
 */
export async function* gunzipped(source: Chunks, fields: HeaderFields = 'refused'): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw({ chunkSize: OUTPUT_CHUNK });
  const compressed = new CompressedMember(fields);
  let checksum = 0;
  let size = 0;
  for await (const chunk of piped(compressed.body(source), inflate)) {
    checksum = crc32(chunk, checksum);
    size += chunk.length;
    yield chunk;
  }
  compressed.checkEnd(inflate.bytesWritten, checksum, size);
}

/** A member as it passes through: checks its header and keeps its last bytes. */
class CompressedMember {
  readonly #fields: HeaderFields;
  #tail: Buffer = Buffer.alloc(0);
  #bodyBytes = 0;

  constructor(fields: HeaderFields) {
    this.#fields = fields;
  }

  async *body(source: Chunks): AsyncGenerator<Uint8Array> {
    let header: Buffer | undefined = Buffer.alloc(0);
    for await (const chunk of source) {
      let rest = chunk;
      if (header !== undefined) {
        header = Buffer.concat([header, chunk]);
        const size = headerSize(header, this.#fields);
        if (size === undefined) continue;
        rest = header.subarray(size);
        header = undefined;
      }
      if (rest.length === 0) continue;
      this.#bodyBytes += rest.length;
      this.#tail = Buffer.concat([this.#tail, rest.subarray(-TRAILER_BYTES)]).subarray(-TRAILER_BYTES);
      yield rest;
    }
    if (header !== undefined) throw invalid('truncated in the header');
  }

  checkEnd(deflatedBytes: number, checksum: number, size: number): void {
    const surplus = this.#bodyBytes - deflatedBytes - TRAILER_BYTES;
    if (surplus < 0) throw invalid('truncated in the trailer');
    if (surplus > 0) throw invalid(`${surplus} bytes follow the first member, expected none`);
    if (this.#tail.readUInt32LE(0) !== checksum)
      throw invalid('content that does not match the checksum in its trailer');
    if (this.#tail.readUInt32LE(4) !== size % 2 ** 32)
      throw invalid('content that does not match the size in its trailer');
  }
}

/** The size of a member's header; undefined if it continues after these bytes. */
function headerSize(bytes: Buffer, fields: HeaderFields): number | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  if (bytes.readUInt16BE(0) !== 0x1f8b || bytes[2] !== 8) throw invalid('no gzip header');
  const flags = bytes[3] ?? 0;
  if (flags === 0) return HEADER_BYTES;
  if (fields === 'refused' || (flags & RESERVED) !== 0) {
    throw invalid(`a header with the flags 0x${flags.toString(16)} (a name, comment or extra field)`);
  }
  let size = HEADER_BYTES;
  if ((flags & EXTRA) !== 0) size += 2 + (bytes.length < size + 2 ? 0 : bytes.readUInt16LE(size));
  for (const flag of [NAME, COMMENT]) {
    if ((flags & flag) === 0 || size > bytes.length) continue;
    const end = bytes.indexOf(0, size);
    size = end < 0 ? bytes.length + 1 : end + 1;
  }
  if ((flags & HEADER_CHECKSUM) !== 0) size += 2;
  if (size <= bytes.length) return size;
  if (bytes.length > MAX_HEADER_BYTES) throw invalid(`a header of more than ${MAX_HEADER_BYTES} bytes`);
  return undefined;
}

function invalid(problem: string): OciError {
  return new OciError('INVALID_LAYER', `layer: gzip: ${problem}`);
}
