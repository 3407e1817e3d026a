/**
 * Reads the text of a header from left to right, passing over each character only once, except in `lookAhead`. No
 * pattern is tried at more than one position, so that a reader takes no more steps than there are characters.
 */
export class HeaderText {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isOver(): boolean {
    return this.#at >= this.#text.length;
  }

  /** The next character; empty at the end. */
  get next(): string {
    return this.#text.charAt(this.#at);
  }

  /** Passes over all characters of a class, and returns them. */
  take(character: RegExp): string {
    const from = this.#at;
    while (!this.isOver && character.test(this.next)) this.#at += 1;
    return this.#text.slice(from, this.#at);
  }

  /** Passes over this character, if it comes next. */
  passes(character: string): boolean {
    if (this.isOver || this.next !== character) return false;
    this.#at += 1;
    return true;
  }

  /** Passes over what `read` passes over if it returns true, and over nothing otherwise. */
  lookAhead(read: () => boolean): boolean {
    const from = this.#at;
    if (read()) return true;
    this.#at = from;
    return false;
  }

  /**
   * Passes over a quoted string and returns its content; undefined if none starts here, or if it never ends, in which
   * case the text is used up.
   * https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4
   */
  quoted(): string | undefined {
    if (!this.passes('"')) return undefined;
    const said: string[] = [];
    while (!this.isOver) {
      if (this.passes('"')) return said.join('');
      this.passes('\\');
      said.push(this.next);
      this.#at += 1;
    }
    return undefined;
  }
}
