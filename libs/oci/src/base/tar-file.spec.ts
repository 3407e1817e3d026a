import { forgedEntry, TAR_END } from '@prebuilt/testing/layers';
import { describe, expect, it } from 'vitest';
import { readTarFile } from './tar-file.ts';

const entries = [
  forgedEntry({ name: './usr/bin/', flag: '5' }),
  forgedEntry({ name: './usr/bin/first' }, 'one'),
  forgedEntry({ name: './usr/bin/second' }, 'two'),
  forgedEntry({ name: './usr/bin/other', flag: '2', target: 'first' }),
];

describe('readTarFile', () => {
  let taken = 0;
  async function* source(): AsyncGenerator<Buffer> {
    for (taken = 0; taken < entries.length; ) {
      const entry = entries[taken];
      taken += 1;
      if (entry !== undefined) yield entry;
    }
    yield TAR_END;
  }
  const read = async (path: string, maxBytes = 3) =>
    (await readTarFile(source(), path, maxBytes))?.toString('utf8');

  it('readTarFile returns the content of a file, and reads no entry after it', async () => {
    expect(await read('usr/bin/first')).toBe('one');
    expect(taken).toBe(2);
  });

  it.each([
    ['a missing path', 'usr/bin/third'],
    ['a link', 'usr/bin/other'],
    ['a folder', 'usr/bin'],
  ])('readTarFile finds no file at %s', async (_, path) => {
    expect(await read(path)).toBeUndefined();
  });

  it('readTarFile refuses a file that is too large', async () => {
    await expect(read('usr/bin/first', 2)).rejects.toMatchObject({ code: 'LAYER_LIMIT' });
  });

  it('readTarFile refuses a tar that ends within the file', async () => {
    const cut = forgedEntry({ name: 'a' }, 'content').subarray(0, 515);
    async function* damaged(): AsyncGenerator<Buffer> {
      yield cut;
    }
    await expect(readTarFile(damaged(), 'a', 100)).rejects.toMatchObject({ code: 'INVALID_LAYER' });
  });
});
