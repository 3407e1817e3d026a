/** Strings that end with a zero byte, named by their offsets. */
export class StringTable {
  #text = '\0';

  /** The offset of the string that was added. */
  add(text: string): number {
    const offset = this.#text.length;
    this.#text += `${text}\0`;
    return offset;
  }

  bytes(): Buffer {
    return Buffer.from(this.#text, 'latin1');
  }
}
