import { writeSync } from 'node:fs';

/** Writes as many bytes to a file descriptor as fit, like writeSync; throws EAGAIN if none do. */
export type WriteBytes = (fileDescriptor: number, bytes: Uint8Array) => number;

/** The most that may wait for a slow reader, in bytes. */
const MAX_BACKLOG = 1024 * 1024;

/** The shortest and the longest delay before the backlog is retried, in ms. */
const retryMs = { first: 20, longest: 320 } as const;

/** Errors that may go away later: a full pipe, a full disk. */
const passing: ReadonlySet<string | undefined> = new Set(['EAGAIN', 'ENOSPC', 'EDQUOT']);

interface Entry {
  readonly bytes: Buffer;
  /** How many lost lines this entry reports; 0 for an ordinary line. */
  readonly tells: number;
}

/**
 * Writes lines to one non-blocking file descriptor, immediately and in order. What a full pipe or a full disk does not
 * accept waits in memory, up to 1 MiB. Beyond that, lines are lost until half of the backlog is free again, and so are
 * lines that nobody can read anymore. A line made by `lostLine` reports how many, at the place where they are missing.
 */
export class LineWriter {
  readonly #fileDescriptor: number;
  readonly #lostLine: (count: number) => string;
  readonly #write: WriteBytes;
  readonly #backlog: Entry[] = [];
  #backlogBytes = 0;
  /** Lines lost since the last line that reported a loss. */
  #untold = 0;
  #lost = 0;
  #retry: NodeJS.Timeout | undefined;
  #waitMs: number = retryMs.first;

  constructor(fileDescriptor: number, lostLine: (count: number) => string, write: WriteBytes = writeSync) {
    this.#fileDescriptor = fileDescriptor;
    this.#lostLine = lostLine;
    this.#write = write;
  }

  /** How many lines have been lost so far. */
  get lost(): number {
    return this.#lost;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    const room = (this.#untold > 0 ? MAX_BACKLOG / 2 : MAX_BACKLOG) - this.#backlogBytes;
    if (bytes.length > room) this.#lose();
    else {
      this.#tellLoss();
      this.#put({ bytes, tells: 0 });
    }
    this.#flush();
  }

  /** Waits for the reader until the given `performance.now` time; meant for exit. */
  finish(deadline: number): void {
    const sleep = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#flush() && performance.now() < deadline) Atomics.wait(sleep, 0, 0, 5);
  }

  #put(entry: Entry): void {
    this.#backlog.push(entry);
    this.#backlogBytes += entry.bytes.length;
  }

  #lose(): void {
    this.#lost += 1;
    this.#untold += 1;
  }

  #tellLoss(): void {
    if (this.#untold === 0) return;
    this.#put({ bytes: Buffer.from(this.#lostLine(this.#untold)), tells: this.#untold });
    this.#untold = 0;
  }

  /** Returns whether everything has been written. */
  #flush(): boolean {
    for (let first = this.#backlog[0]; first !== undefined; first = this.#backlog[0]) {
      const count = this.#tryWrite(first.bytes);
      if (count === undefined) {
        this.#drop(first);
        if (first.tells > 0) this.#untold += first.tells;
        else this.#lose();
      } else if (count < first.bytes.length) {
        this.#backlog[0] = { ...first, bytes: first.bytes.subarray(count) };
        this.#backlogBytes -= count;
        this.#retryLater();
        return false;
      } else {
        this.#drop(first);
        this.#waitMs = retryMs.first;
        if (this.#backlog.length === 0) this.#tellLoss();
      }
    }
    return true;
  }

  #drop({ bytes }: Entry): void {
    this.#backlog.shift();
    this.#backlogBytes -= bytes.length;
  }

  /** Returns how many bytes were written; undefined if nobody will ever read them. */
  #tryWrite(bytes: Buffer): number | undefined {
    try {
      return this.#write(this.#fileDescriptor, bytes);
    } catch (error) {
      return passing.has((error as NodeJS.ErrnoException).code) ? 0 : undefined;
    }
  }

  #retryLater(): void {
    if (this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#flush();
    }, this.#waitMs);
    this.#retry.unref();
    this.#waitMs = Math.min(this.#waitMs * 2, retryMs.longest);
  }
}
