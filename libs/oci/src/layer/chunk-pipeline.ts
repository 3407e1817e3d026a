import type { Transform, Writable } from 'node:stream';
import { freeMemory } from './chunk-memory.ts';

/** Bytes in order, either as they arrive or all at once. */
export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Pipes a source through a stream and yields its output. The next chunk of the source is requested once the previous
 * one has been consumed, not just taken, since its memory may be reused. A chunk that is yielded is invalid once the
 * next one is requested. Throws whatever the source throws and the stream emits.
 */
export async function* piped(source: Chunks, stream: Transform): AsyncGenerator<Buffer> {
  const feeding = feed(source, stream);
  feeding.catch((error) => stream.destroy(error));
  try {
    // A stream may be done before its source ends; the rest is for the stream to inspect, not a reason to fail.
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      yield chunk;
      freeMemory(chunk);
    }
    await feeding;
  } finally {
    stream.destroy();
  }
}

async function feed(source: Chunks, output: Writable): Promise<void> {
  for await (const chunk of source) {
    await new Promise<void>((resolve, reject) => {
      output.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }
  output.end();
}

/**
 * Requests each chunk while the previous one is in use. A chunk must stay valid until the next but one is requested.
 */
export async function* readAhead(source: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let next = source.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = source.next();
      // The error is reported when its turn comes.
      next.catch(() => {});
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await source.return(undefined);
  }
}
