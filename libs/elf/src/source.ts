import { constants, open } from 'node:fs/promises';
import { ElfError } from './errors.ts';

const WINDOW_BYTES = 64 * 1024;

/** Random access to the bytes of a file. */
export interface ByteSource {
  /** The file's name in error messages. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Reads exactly `length` bytes at `offset`; the range has been checked against `size`. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A source that reads bytes in memory. */
export function bytesSource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  };
}

/** Opens a regular file as a source while `use` runs, and closes it in any case. Throws `NOT_ELF` for other files. */
export async function withFileSource<T>(path: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  // Must not wait for a pipe or a device.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (!found.isFile())
      throw new ElfError(
        'NOT_ELF',
        `${path}: expected an ELF file, found something that is not a regular file`,
      );
    const { size } = found;
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) throw new ElfError('TRUNCATED', `${path}: became shorter while being read`);
        filled += bytesRead;
      }
      return bytes;
    };
    // Records are next to each other and only a few bytes each.
    let window = { offset: 0, bytes: new Uint8Array() as Uint8Array };
    return await use({
      name: path,
      size,
      async read(offset, length) {
        if (length > WINDOW_BYTES) return read(offset, length);
        const end = window.offset + window.bytes.length;
        if (offset < window.offset || offset + length > end)
          window = { offset, bytes: await read(offset, Math.min(WINDOW_BYTES, size - offset)) };
        return window.bytes.subarray(offset - window.offset, offset - window.offset + length);
      },
    });
  } finally {
    await handle.close();
  }
}
