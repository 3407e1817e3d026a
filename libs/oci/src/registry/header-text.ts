/**
 * The text of a header, read from left to right: what was passed over is passed over once, except by `lookAhead`. No
 * pattern is tried at more than one place, so that a reader takes as many steps as there are characters.
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

  /** The character that is to be read; nothing at the end. */
  get next(): string {
    return this.#text.charAt(this.#at);
  }

  /** Passes over all characters of a class, and gives them. */
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

  /** Passes over what `read` does if that is true, and over nothing otherwise. */
  lookAhead(read: () => boolean): boolean {
    const from = this.#at;
    if (read()) return true;
    this.#at = from;
    return false;
  }

  /**
   * Passes over a quoted string and gives what it says; undefined where none begins here, and where it never ends: the
   * text is over then.
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
