import { OciError } from '../errors.ts';
import type { Chunks } from './chunk-pipeline.ts';

const MAGIC = 0xfd2fb528;
/**
 * The memory in bytes that a decoder needs for a frame; common encoders ask for 8 MiB or less, or 32 MiB at their
 * highest levels.
 */
const MAX_WINDOW = 32 * 1024 * 1024;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const DICTIONARY_BYTES = [0, 1, 2, 4];

/**
 * Passes on a zstd stream of exactly one frame, unchanged. Refuses skippable frames, since some readers take a table of
 * files from them in place of the tar, further frames, which some readers never reach, a dictionary, and a window
 * larger than 32 MiB. Throws `INVALID_LAYER`; the contents of the blocks are left to the decoder.
 * https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1
 */
export async function* oneFrame(source: Chunks): AsyncGenerator<Uint8Array> {
  const walk = new FrameWalk();
  for await (const chunk of source) {
    walk.pass(chunk);
    yield chunk;
  }
  walk.checkEnd();
}

/**
 * Passes on every frame of a zstd stream, with each chunk from a single frame and skippable frames left out: Node's
 * decoder drops what follows a frame in the same chunk (seen in 24.21), and stops at a skippable frame. Throws as
 * `oneFrame` does.
 */
export async function* everyFrame(source: Chunks): AsyncGenerator<Uint8Array> {
  let walk = new FrameWalk({ skips: true });
  // The first bytes of a frame while it is still unknown whether it is skippable.
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    for (let rest = Buffer.concat([held, chunk]), known = held.length; rest.length > known; known = 0) {
      const size = known + walk.take(rest.subarray(known));
      held = walk.isBegun ? Buffer.alloc(0) : rest.subarray(0, size);
      if (walk.isBegun && !walk.isSkippable) yield rest.subarray(0, size);
      rest = rest.subarray(size);
      if (walk.isOver) walk = new FrameWalk({ skips: true });
    }
  }
  if (walk.isBegun || held.length > 0) walk.checkEnd();
}

type Part =
  | 'skippable size'
  | 'skippable'
  | 'magic'
  | 'descriptor'
  | 'header'
  | 'block header'
  | 'block'
  | 'checksum'
  | 'end';

/** Follows a frame's structure: parts of known length, each of which determines the next. */
class FrameWalk {
  #part: Part = 'magic';
  /** How many bytes of the part are still missing. */
  #missing = 4;
  #seen: Buffer = Buffer.alloc(0);
  #descriptor = 0;
  #isLast = false;
  readonly #skips: boolean;
  isSkippable = false;
  /** Whether the kind of frame is known yet. */
  isBegun = false;

  constructor({ skips }: { readonly skips: boolean } = { skips: false }) {
    this.#skips = skips;
  }

  pass(chunk: Uint8Array): void {
    const left = chunk.length - this.take(chunk);
    if (left > 0) throw invalid(`${left} or more bytes follow the first frame, expected none`);
  }

  /** Returns how many bytes of a chunk belong to the frame. */
  take(chunk: Uint8Array): number {
    let rest = chunk;
    while (rest.length > 0 && !this.isOver) {
      const taken = rest.subarray(0, this.#missing);
      if (this.#part !== 'block' && this.#part !== 'skippable')
        this.#seen = Buffer.concat([this.#seen, taken]);
      this.#missing -= taken.length;
      rest = rest.subarray(taken.length);
      while (this.#missing === 0 && !this.isOver) [this.#part, this.#missing] = this.#next();
    }
    return chunk.length - rest.length;
  }

  checkEnd(): void {
    if (!this.isOver) throw invalid(`truncated in its ${this.#part}`);
  }

  /** The part that follows the one just seen, and its length in bytes. */
  #next(): readonly [Part, number] {
    const seen = this.#seen;
    this.#seen = Buffer.alloc(0);
    switch (this.#part) {
      case 'magic':
        this.isBegun = true;
        this.isSkippable = (seen.readUInt32LE(0) & 0xfffffff0) >>> 0 === 0x184d2a50;
        if (this.isSkippable && this.#skips) return ['skippable size', 4];
        if (seen.readUInt32LE(0) !== MAGIC) {
          throw invalid(this.isSkippable ? 'a skippable frame, which can hide content' : 'no zstd frame');
        }
        return ['descriptor', 1];
      case 'skippable size':
        return ['skippable', seen.readUInt32LE(0)];
      case 'descriptor':
        this.#descriptor = seen[0] ?? 0;
        return ['header', this.#headerBytes()];
      case 'header':
        this.#checkHeader(seen);
        return ['block header', 3];
      case 'block header': {
        const word = seen.readUIntLE(0, 3);
        this.#isLast = (word & 1) === 1;
        const type = (word >> 1) & 3;
        if (type === 3) throw invalid('a block of a reserved type');
        return ['block', type === 1 ? 1 : word >> 3];
      }
      case 'block':
        if (!this.#isLast) return ['block header', 3];
        return (this.#descriptor & 4) === 0 ? ['end', 0] : ['checksum', 4];
      default:
        return ['end', 0];
    }
  }

  get isOver(): boolean {
    return this.#part === 'end';
  }

  get #isSingleSegment(): boolean {
    return (this.#descriptor & 0x20) !== 0;
  }

  #contentSizeBytes(): number {
    const flag = this.#descriptor >> 6;
    return flag === 0 && this.#isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[flag] ?? 0);
  }

  #headerBytes(): number {
    const dictionary = DICTIONARY_BYTES[this.#descriptor & 3] ?? 0;
    return (this.#isSingleSegment ? 0 : 1) + dictionary + this.#contentSizeBytes();
  }

  #checkHeader(header: Buffer): void {
    if ((this.#descriptor & 3) !== 0) throw invalid('a frame that needs a dictionary');
    if ((this.#descriptor & 8) !== 0) throw invalid('a frame with a reserved bit');
    const window = this.#isSingleSegment ? this.#contentSize(header) : windowSize(header[0] ?? 0);
    if (window > MAX_WINDOW) throw invalid(`a window of ${window} bytes, expected at most ${MAX_WINDOW}`);
  }

  #contentSize(header: Buffer): number {
    const bytes = this.#contentSizeBytes();
    if (bytes === 8) return Number(header.readBigUInt64LE(0));
    return header.readUIntLE(0, bytes) + (bytes === 2 ? 256 : 0);
  }
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function invalid(problem: string): OciError {
  return new OciError('INVALID_LAYER', `layer: zstd: ${problem}`);
}
