import type { Transform, Writable } from 'node:stream';
import { freeMemory } from './chunk-memory.ts';

/** Bytes in order, as they come or all already there. */
export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * What comes out of a stream that a source is fed to. The next chunk of the source is asked for once the former has been
 * consumed, not once it has been taken: its memory may be reused. A chunk that comes out is gone once the next one is
 * asked for. Throws what the source throws and what the stream says.
 */
export async function* piped(source: Chunks, stream: Transform): AsyncGenerator<Buffer> {
  const feeding = feed(source, stream);
  feeding.catch((error) => stream.destroy(error));
  try {
    // A stream may have had enough before its source ends; what else comes is for it to look at, not to fail by.
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

/** Asks for each chunk while the one before it is in use. That one must stay until the next but one is asked for. */
export async function* readAhead(source: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let next = source.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = source.next();
      // It is told once its turn comes.
      next.catch(() => {});
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await source.return(undefined);
  }
}
