import { writeSync } from 'node:fs';

/** Writes bytes to a file descriptor as far as they fit, like writeSync; throws EAGAIN where none do. */
export type WriteBytes = (fileDescriptor: number, bytes: Uint8Array) => number;

/** The most that waits for a reader that is slow, in bytes. */
const maxBacklog = 1024 * 1024;

/** How often a backlog is tried again, in ms, and for how long it may hold up the exit. */
const retryMs = 20;
const exitMs = 500;

/**
 * Writes lines to one file descriptor, at once and in order, and never blocks: what a full pipe does not take
 * waits in memory, up to 1 MiB. Beyond that lines are lost, and a line made by `lostLine` says how many once
 * the reader goes on. A reader that is gone loses everything, silently.
 */
export class LineWriter {
  readonly #fileDescriptor: number;
  readonly #lostLine: (count: number) => string;
  readonly #write: WriteBytes;
  #backlog: Buffer[] = [];
  #backlogBytes = 0;
  #lost = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(fileDescriptor: number, lostLine: (count: number) => string, write: WriteBytes = writeSync) {
    this.#fileDescriptor = fileDescriptor;
    this.#lostLine = lostLine;
    this.#write = write;
  }

  write(line: string): void {
    this.#put(Buffer.from(line));
    this.#flush();
  }

  /** Waits for the reader for at most half a second; for the end of the process. */
  finish(): void {
    const sleep = new Int32Array(new SharedArrayBuffer(4));
    const deadline = performance.now() + exitMs;
    while (!this.#flush() && performance.now() < deadline) Atomics.wait(sleep, 0, 0, 5);
  }

  #put(bytes: Buffer): void {
    if (this.#backlogBytes + bytes.length > maxBacklog) {
      this.#lost += 1;
      return;
    }
    this.#backlog.push(bytes);
    this.#backlogBytes += bytes.length;
  }

  /** Whether nothing is left to be written. */
  #flush(): boolean {
    for (let first = this.#backlog[0]; first !== undefined; first = this.#backlog[0]) {
      const count = this.#tryWrite(first);
      this.#backlogBytes -= count;
      if (count < first.length) {
        this.#backlog[0] = first.subarray(count);
        this.#retryLater();
        return false;
      }
      this.#backlog.shift();
    }
    if (this.#lost > 0) {
      const line = this.#lostLine(this.#lost);
      this.#lost = 0;
      this.#put(Buffer.from(line));
      return this.#flush();
    }
    return true;
  }

  #tryWrite(bytes: Buffer): number {
    try {
      return this.#write(this.#fileDescriptor, bytes);
    } catch (error) {
      // EAGAIN: the pipe is full. Anything else, as EPIPE: nobody will ever read it.
      return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 0 : bytes.length;
    }
  }

  #retryLater(): void {
    if (this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#flush();
    }, retryMs);
    this.#retry.unref();
  }
}
