/** A buffer with fields in a given class and byte order. */
export class FieldWriter {
  readonly bytes: Buffer;
  readonly #view: DataView;
  readonly #encoding: Encoding;

  constructor(length: number, encoding: Encoding) {
    this.bytes = Buffer.alloc(length);
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, length);
    this.#encoding = encoding;
  }

  u16(offset: number, value: number): void {
    this.#view.setUint16(offset, value, this.#encoding.byteOrder === 'little');
  }

  u32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, this.#encoding.byteOrder === 'little');
  }

  /** An address, an offset or a size: 4 bytes in a 32-bit file, 8 in a 64-bit one. */
  word(offset: number, value: number): void {
    if (this.#encoding.class === 32) this.u32(offset, value);
    else this.#view.setBigUint64(offset, BigInt(value), this.#encoding.byteOrder === 'little');
  }
}

/** How numbers are encoded. */
export interface Encoding {
  readonly class: 32 | 64;
  readonly byteOrder: 'little' | 'big';
}
