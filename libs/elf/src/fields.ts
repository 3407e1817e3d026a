import type { ElfIdentity } from './identity.ts';

/**
 * The fields in a part of a file, in the file's class and byte order. Offsets are in bytes from the start of the part.
 */
export class Fields {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #wide: boolean;

  constructor(bytes: Uint8Array, { byteOrder, class: bits }: Pick<ElfIdentity, 'class' | 'byteOrder'>) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = byteOrder === 'little';
    this.#wide = bits === 64;
  }

  /** In bytes. */
  get length(): number {
    return this.bytes.length;
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, this.#little);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, this.#little);
  }

  u64(offset: number): number {
    return Number(this.#view.getBigUint64(offset, this.#little));
  }

  /**
   * An address, an offset or a size: 4 bytes in a 32-bit file, 8 in a 64-bit one. A value above 2^53 loses its last
   * digits but stays outside of any file.
   */
  word(offset: number): number {
    return this.#wide ? this.u64(offset) : this.u32(offset);
  }
}
