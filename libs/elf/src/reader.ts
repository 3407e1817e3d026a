import { ElfError } from './errors.ts';
import type { ByteSource } from './source.ts';

/** Reads parts of a file after checking that they are inside it; keeps none of them. */
export class Reader {
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** The bytes of a range. Throws `TRUNCATED`, with what was to be read, where it is not all inside the file. */
  async view(offset: number, length: number, what: string): Promise<DataView> {
    const { name, size } = this.#source;
    if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > size) {
      throw new ElfError(
        'TRUNCATED',
        `${name}: ${what} (${length} bytes at ${offset}) is outside the file of ${size} bytes`,
      );
    }
    const bytes = await this.#source.read(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** An error that names the file. */
  malformed(what: string): ElfError {
    return new ElfError('MALFORMED', `${this.#source.name}: ${what}`);
  }
}

/** A 64-bit number; one above 2^53 loses its last digits and stays outside of any file. */
export function u64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

const MOST_NAME_BYTES = 4096;

/** The string that starts at an offset of a table and ends with a zero byte, at most 4096 bytes away. */
export function textAt(reader: Reader, view: DataView, offset: number, what: string): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const end = bytes.subarray(0, offset + MOST_NAME_BYTES).indexOf(0, offset);
  if (offset >= bytes.length || end < 0)
    throw reader.malformed(`${what} is no terminated string of its table`);
  return new TextDecoder().decode(bytes.subarray(offset, end));
}
