import { OciError } from '../errors.ts';

/** Reads exact numbers of bytes from a stream of chunks of any size. */
export class BlockReader {
  readonly #source: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /**
   * The next `size` bytes; undefined at the end of the stream. Throws `INVALID_LAYER` if only some of them are left.
   */
  async take(size: number): Promise<Buffer | undefined> {
    const taken = await this.takeUpTo(size);
    if (taken.length === size) return taken;
    if (taken.length === 0) return undefined;
    throw truncated(size - taken.length);
  }

  /** The next `size` bytes, or as many as are left. */
  async takeUpTo(size: number): Promise<Buffer> {
    const taken = Buffer.alloc(size);
    for (let filled = 0; filled < size; ) {
      const part = await this.#next(size - filled);
      if (part === undefined) return taken.subarray(0, filled);
      filled += part.copy(taken, filled);
    }
    return taken;
  }

  /** The next `size` bytes, chunk by chunk. Throws `INVALID_LAYER` if the stream ends early. */
  async *stream(size: number): AsyncGenerator<Buffer> {
    let missing = size;
    while (missing > 0) {
      const part = await this.#next(missing);
      if (part === undefined) throw truncated(missing);
      missing -= part.length;
      yield part;
    }
  }

  /** Skips bytes. Throws `INVALID_LAYER` if the stream ends early. */
  async skip(size: number): Promise<void> {
    for await (const _ of this.stream(size));
  }

  /** Skips the rest of the stream. */
  async drain(): Promise<void> {
    while ((await this.#next(Number.MAX_SAFE_INTEGER)) !== undefined);
  }

  async #next(most: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#source.next();
      if (done === true) return undefined;
      this.#chunk = value;
    }
    const part = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }
}

function truncated(missing: number): OciError {
  return new OciError('INVALID_LAYER', `layer: truncated, ${missing} bytes are missing`);
}
