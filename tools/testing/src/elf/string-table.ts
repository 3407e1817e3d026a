/** Null-terminated strings, referenced by offset. */
export class StringTable {
  #text = '\0';

  /** Adds a string and returns its offset. */
  add(text: string): number {
    const offset = this.#text.length;
    this.#text += `${text}\0`;
    return offset;
  }

  bytes(): Buffer {
    return Buffer.from(this.#text, 'latin1');
  }
}
