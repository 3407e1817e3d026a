import type { Chunks } from './chunk-pipeline.ts';

/** The first bytes of a source (all of them if there are fewer), and the source from its first byte on. */
export interface ChunkHead {
  readonly head: Buffer;
  readonly chunks: AsyncGenerator<Buffer>;
}

/**
 * Peeks at the first bytes of a source. If the chunks are not read to the end, the caller closes the source's iterator.
 */
export async function headOf(source: Chunks, size: number): Promise<ChunkHead> {
  const all = Symbol.asyncIterator in source ? source : toAsync(source);
  const iterator = all[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < size) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  const chunks = (async function* () {
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
    }
  })();
  return { head: head.subarray(0, size), chunks };
}

async function* toAsync(source: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* source;
}
