import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Scratch } from './monitor-process.ts';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** A FIFO with a blocking write end, like a pipe from a container runtime; the test is its reader. */
export class Fifo implements Disposable {
  readonly path: string;
  /** The write end for the process under test. */
  readonly writer: number;
  #reader: number | undefined;

  constructor(scratch: Scratch, name: string) {
    this.path = join(scratch.path, name);
    const made = spawnSync('mkfifo', [this.path]);
    if (made.status !== 0) throw new Error(`mkfifo exited with ${made.status}`);
    this.#reader = openSync(this.path, O_RDONLY | O_NONBLOCK);
    this.writer = openSync(this.path, O_WRONLY);
  }

  /** Writes until nothing more fits. */
  fill(): void {
    const descriptor = openSync(this.path, O_WRONLY | O_NONBLOCK);
    const line = Buffer.from(`${'.'.repeat(4095)}\n`);
    try {
      for (;;) writeSync(descriptor, line);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    } finally {
      closeSync(descriptor);
    }
  }

  /** Reads what is available now, without what `fill` wrote. */
  read(): string {
    const chunks: Buffer[] = [];
    const buffer = Buffer.alloc(65_536);
    for (;;) {
      try {
        const count = readSync(this.#reader ?? -1, buffer);
        if (count === 0) break;
        chunks.push(Buffer.from(buffer.subarray(0, count)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        break;
      }
    }
    return Buffer.concat(chunks)
      .toString('utf8')
      .replace(/^\.+\n/gm, '');
  }

  /** Closes the read end. */
  leave(): void {
    if (this.#reader !== undefined) closeSync(this.#reader);
    this.#reader = undefined;
  }

  /** Opens the read end again. */
  comeBack(): void {
    this.#reader = openSync(this.path, O_RDONLY | O_NONBLOCK);
  }

  [Symbol.dispose](): void {
    this.leave();
    closeSync(this.writer);
  }
}
