import { writeSync } from 'node:fs';

/** Writes bytes to a file descriptor as far as they fit, like writeSync; throws EAGAIN where none do. */
export type WriteBytes = (fileDescriptor: number, bytes: Uint8Array) => number;

/** The most that waits for a reader that is slow, in bytes. */
const MAX_BACKLOG = 1024 * 1024;

/** The first and the longest wait before a backlog is tried again, in ms. */
const retryMs = { first: 20, longest: 320 } as const;

/** Where nothing fits now and something may later: a full pipe, a full disk. */
const passing: ReadonlySet<string | undefined> = new Set(['EAGAIN', 'ENOSPC', 'EDQUOT']);

/**
 * Writes lines to one file descriptor that does not block, at once and in order: what a full pipe or a full disk does not
 * take waits in memory, up to 1 MiB. Lines beyond that are lost, and so are those that nobody can read any more; a line
 * made by `lostLine` says how many once there is a reader again.
 */
export class LineWriter {
  readonly #fileDescriptor: number;
  readonly #lostLine: (count: number) => string;
  readonly #write: WriteBytes;
  #backlog: Buffer[] = [];
  #backlogBytes = 0;
  /** Lost since the last line that said so. */
  #unsaid = 0;
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
    if (this.#backlog.length === 0) this.#sayLoss();
    const bytes = Buffer.from(line);
    if (this.#backlogBytes + bytes.length > MAX_BACKLOG) this.#lose();
    else this.#put(bytes);
    this.#flush();
  }

  /** Waits for the reader until a moment of `performance.now`; for the end of the process. */
  finish(deadline: number): void {
    const sleep = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#flush() && performance.now() < deadline) Atomics.wait(sleep, 0, 0, 5);
  }

  #put(bytes: Buffer): void {
    this.#backlog.push(bytes);
    this.#backlogBytes += bytes.length;
  }

  #lose(): void {
    this.#lost += 1;
    this.#unsaid += 1;
  }

  /** Whether nothing is left to be written. */
  #flush(): boolean {
    for (let first = this.#backlog[0]; first !== undefined; first = this.#backlog[0]) {
      const count = this.#tryWrite(first);
      if (count === undefined) {
        this.#lose();
        this.#drop(first);
      } else if (count === first.length) {
        this.#waitMs = retryMs.first;
        this.#drop(first);
        if (this.#backlog.length === 0) this.#sayLoss();
      } else {
        this.#backlog[0] = first.subarray(count);
        this.#backlogBytes -= count;
        this.#retryLater();
        return false;
      }
    }
    return true;
  }

  #drop(first: Buffer): void {
    this.#backlog.shift();
    this.#backlogBytes -= first.length;
  }

  /** Says what was lost, as far as there is somebody to hear it. */
  #sayLoss(): void {
    if (this.#unsaid === 0) return;
    const bytes = Buffer.from(this.#lostLine(this.#unsaid));
    const count = this.#tryWrite(bytes);
    if (count === undefined || count === 0) return;
    this.#unsaid = 0;
    if (count < bytes.length) this.#put(bytes.subarray(count));
  }

  /** How many bytes were taken; undefined where nobody will ever read them. */
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
