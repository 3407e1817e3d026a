import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Descriptor } from '../descriptor.ts';
import { OciError, type OciErrorCode } from '../errors.ts';
import type { ReadEntry, ReadLayerOptions } from './layer-reader.ts';
import { readStoredLayer } from './stored-layer.ts';

/** Threads that read the layers of image layouts. */
export interface LayerThreads {
  /**
   * Reads a layer from the layout in `folder` as `readLayer` does, but on a thread: no other thread touches the file's
   * bytes. Small layers are read without a thread. If the bytes don't match the descriptor, `DIGEST_MISMATCH` takes
   * precedence over any other problem with them.
   */
  read(folder: string, layer: Descriptor, options: ReadLayerOptions): Promise<readonly ReadEntry[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A layer for a thread to read. */
export interface ToThread {
  readonly id: number;
  readonly folder: string;
  readonly layer: Descriptor;
  readonly options: ReadLayerOptions;
}

/** A message from a thread: more entries of a layer, their end, why the layer is refused, or why reading it failed. */
export type FromThread = { readonly id: number } & (
  | { readonly kind: 'entries'; readonly entries: readonly ReadEntry[] }
  | { readonly kind: 'end' }
  | { readonly kind: 'refusal'; readonly code: OciErrorCode; readonly message: string }
  | { readonly kind: 'failure'; readonly error: unknown }
);

/** The size in bytes up to which reading takes less time than starting a thread. */
const SMALL_LAYER = 1024 * 1024;
/** How many layers a thread reads at once: while one is decompressed in the background, another is hashed. */
const LAYERS_AT_ONCE = 2;

/**
 * Starts threads for layers of these sizes in bytes: none if all are small, and with this thread no more than there are
 * processors. They end when disposed of; whatever is still being read then fails.
 */
export function startLayerThreads(sizes: readonly number[]): LayerThreads {
  const worthOne = sizes.filter((size) => size > SMALL_LAYER).length;
  const most = Math.max(1, availableParallelism() - 1);
  const count = Math.min(Math.ceil(worthOne / LAYERS_AT_ONCE), most);
  const threads = Array.from({ length: count }, () => new LayerThread());
  const waiting: (() => void)[] = [];

  async function freeThread(): Promise<LayerThread> {
    if (threads.length === 0) threads.push(new LayerThread());
    for (;;) {
      const idlest = threads.reduce((one, other) => (other.load < one.load ? other : one));
      if (idlest.load < LAYERS_AT_ONCE) return idlest;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  }

  return {
    async read(folder, layer, options) {
      if (layer.size <= SMALL_LAYER) {
        const entries: ReadEntry[] = [];
        await readStoredLayer(folder, layer, options, (entry) => entries.push(entry));
        return entries;
      }
      const thread = await freeThread();
      try {
        return await thread.read(folder, layer, options);
      } finally {
        waiting.shift()?.();
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(threads.map((thread) => thread.end()));
    },
  };
}

/** A layer being read by a thread: its entries so far, and the promise for all of them. */
interface Reading {
  readonly entries: ReadEntry[];
  readonly done: PromiseWithResolvers<readonly ReadEntry[]>;
}

class LayerThread {
  readonly #worker = new Worker(new URL('./reader-thread.ts', import.meta.url));
  readonly #reading = new Map<number, Reading>();
  #last = 0;
  #ended: unknown;

  constructor() {
    this.#worker.on('message', (message: FromThread) => this.#settle(message));
    this.#worker.on('error', (error) => this.#endWith(error));
    this.#worker.on('exit', () => this.#endWith(new Error('the thread reading the layer has exited')));
  }

  /** How many layers it is reading. */
  get load(): number {
    return this.#reading.size;
  }

  read(folder: string, layer: Descriptor, options: ReadLayerOptions): Promise<readonly ReadEntry[]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = ++this.#last;
    const done = Promise.withResolvers<readonly ReadEntry[]>();
    this.#reading.set(id, { entries: [], done });
    const message: ToThread = { id, folder, layer, options };
    this.#worker.postMessage(message);
    return done.promise;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(message: FromThread): void {
    const reading = this.#reading.get(message.id);
    if (reading === undefined) return;
    const { entries, done } = reading;
    if (message.kind === 'entries') {
      for (const entry of message.entries) entries.push(entry);
      return;
    }
    this.#reading.delete(message.id);
    if (message.kind === 'end') done.resolve(entries);
    else if (message.kind === 'refusal') done.reject(new OciError(message.code, message.message));
    else done.reject(message.error);
  }

  #endWith(error: unknown): void {
    this.#ended ??= error;
    for (const { done } of this.#reading.values()) done.reject(error);
    this.#reading.clear();
  }
}
