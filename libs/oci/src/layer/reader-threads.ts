import { availableParallelism } from 'node:os';
import { buffer as bufferOf } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { OciError, type OciErrorCode } from '../errors.ts';
import { freeMemory } from './chunk-memory.ts';
import { type ReadEntry, type ReadLayerOptions, readLayer } from './layer-reader.ts';

/** Threads that read layers, each one layer at a time. */
export interface LayerThreads {
  /**
   * Reads a layer of so many bytes as `readLayer` does; `open` is called once a thread is free. A small one is not
   * worth a thread. The source is read to its end even where the layer is found damaged before: what the source has to
   * say of its bytes, such as that their digest is another, is thrown first. Its chunks are used up: the memory of each
   * is given back.
   */
  read(
    size: number,
    open: () => Promise<AsyncIterable<Uint8Array>>,
    reading: ReadLayerOptions,
  ): Promise<readonly ReadEntry[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a thread is told: of each layer one `begin`, any number of `chunk`s, one `end`. */
export type ToThread =
  | { readonly kind: 'begin'; readonly reading: ReadLayerOptions }
  | { readonly kind: 'chunk'; readonly buffer: ArrayBuffer; readonly size: number }
  | { readonly kind: 'end' };

/** What a thread tells: every buffer that it is done with, and of each layer its entries or why there are none. */
export type FromThread =
  | { readonly kind: 'free'; readonly buffer: ArrayBuffer }
  | { readonly kind: 'entries'; readonly entries: readonly ReadEntry[] }
  | { readonly kind: 'failure'; readonly code: OciErrorCode; readonly message: string };

const BUFFER_BYTES = 256 * 1024;
const BUFFERS = 4;
/** Read in less time than a thread takes to start, in bytes. */
const SMALL_LAYER = 1024 * 1024;

/**
 * Starts a thread for each layer of these sizes, in bytes, that is worth one, and no more than there are processors.
 * They end when disposed of.
 */
export function startLayerThreads(sizes: readonly number[]): LayerThreads {
  const worthOne = sizes.filter((size) => size > SMALL_LAYER);
  const count = Math.min(worthOne.length, availableParallelism());
  const threads = new Set(Array.from({ length: count }, () => new LayerThread()));
  const idle = [...threads];
  const waiting: ((thread: LayerThread) => void)[] = [];
  let closed = false;

  function release(thread: LayerThread): void {
    const next = waiting.shift();
    if (next === undefined) idle.push(thread);
    else next(thread);
  }

  function freeThread(): Promise<LayerThread> | LayerThread {
    if (threads.size === 0) {
      const first = new LayerThread();
      threads.add(first);
      return first;
    }
    return idle.pop() ?? new Promise<LayerThread>((resolve) => waiting.push(resolve));
  }

  // A thread whose layer broke off may still hold some of it: another takes its place.
  function replace(thread: LayerThread): void {
    threads.delete(thread);
    void thread.end();
    if (closed) return;
    const another = new LayerThread();
    threads.add(another);
    release(another);
  }

  return {
    async read(size, open, reading) {
      if (size <= SMALL_LAYER) {
        return Array.fromAsync(readLayer([await bufferOf(await open())], reading));
      }
      const thread = await freeThread();
      let source: AsyncIterable<Uint8Array>;
      try {
        source = await open();
      } catch (error) {
        release(thread);
        throw error;
      }
      try {
        const entries = await thread.read(source, reading);
        release(thread);
        return entries;
      } catch (error) {
        replace(thread);
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await Promise.all([...threads].map((thread) => thread.end()));
    },
  };
}

class LayerThread {
  readonly #worker = new Worker(new URL('./reader-thread.ts', import.meta.url));
  // They go back and forth: making new ones takes longer than copying into these.
  readonly #free = Array.from({ length: BUFFERS }, () => new ArrayBuffer(BUFFER_BYTES));
  #entries: readonly ReadEntry[] | undefined;
  #failure: Error | undefined;
  #wake: () => void = () => {};

  constructor() {
    this.#worker.on('message', (message: FromThread) => {
      if (message.kind === 'free') this.#free.push(message.buffer);
      else if (message.kind === 'entries') this.#entries = message.entries;
      else this.#failure = new OciError(message.code, message.message);
      this.#wake();
    });
    this.#worker.on('error', (error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#wake();
    });
  }

  async read(source: AsyncIterable<Uint8Array>, reading: ReadLayerOptions): Promise<readonly ReadEntry[]> {
    this.#entries = undefined;
    this.#tell({ kind: 'begin', reading });
    await this.#send(source);
    this.#tell({ kind: 'end' });
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#entries !== undefined) return this.#entries;
      await this.#told();
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  async #send(source: AsyncIterable<Uint8Array>): Promise<void> {
    let buffer: ArrayBuffer | undefined;
    let size = 0;
    for await (const chunk of source) {
      for (let rest = chunk; rest.length > 0 && this.#failure === undefined; ) {
        buffer ??= this.#free.pop();
        if (buffer === undefined) {
          await this.#told();
          continue;
        }
        const part = rest.subarray(0, BUFFER_BYTES - size);
        new Uint8Array(buffer).set(part, size);
        size += part.length;
        rest = rest.subarray(part.length);
        if (size === BUFFER_BYTES) {
          this.#tell({ kind: 'chunk', buffer, size }, buffer);
          [buffer, size] = [undefined, 0];
        }
      }
      freeMemory(chunk);
    }
    if (buffer !== undefined) this.#tell({ kind: 'chunk', buffer, size }, buffer);
  }

  #told(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #tell(message: ToThread, ...moved: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(message, [...moved]);
  }
}
