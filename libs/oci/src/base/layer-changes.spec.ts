import { gzipSync, zstdCompressSync } from 'node:zlib';
import { forgedEntry, forgedRecords, skippableFrame, TAR_END } from '@prebuilt/testing/layers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';
import { type ChangesOptions, readLayerChanges } from './layer-changes.ts';

const options = (tar: Buffer, more: Partial<ChangesOptions> = {}): ChangesOptions => ({
  diffId: digestOf(tar),
  maxBytes: 1024 * 1024,
  maxEntries: 100,
  maxNames: 100_000,
  contents: new Set(['etc/passwd']),
  maxContent: 1024,
  ...more,
});
const read = (blob: Buffer, wanted: ChangesOptions) => Array.fromAsync(readLayerChanges([blob], wanted));
const tarOf = (...entries: readonly Buffer[]): Buffer => Buffer.concat([...entries, TAR_END]);

describe("a base's layer", () => {
  const plain = tarOf(
    forgedEntry({ name: './etc/', flag: '5', mode: '0000711\0' }),
    forgedEntry({ name: './etc/passwd' }, 'root:x:0:0\n'),
    forgedEntry({ name: 'bin', flag: '2', target: 'usr/bin' }),
    forgedEntry({ name: 'dev/null', flag: '3' }),
    forgedEntry({ name: 'etc/copy', flag: '1', target: './etc/passwd' }),
    forgedEntry({ name: 'etc/.wh.gone' }),
  );

  it.each([
    ['gzip', gzipSync(plain)],
    [
      'several members of gzip, as eStargz has them',
      Buffer.concat([gzipSync(plain.subarray(0, 700)), gzipSync(plain.subarray(700))]),
    ],
    ['zstd', zstdCompressSync(plain)],
    [
      'several frames of zstd, as zstd:chunked has them',
      Buffer.concat([
        skippableFrame('x'),
        zstdCompressSync(plain.subarray(0, 700)),
        zstdCompressSync(plain.subarray(700)),
        skippableFrame('y'),
      ]),
    ],
    ['no compression', plain],
  ])('says what it changes, in %s', async (_, blob) => {
    const changes = await read(blob, options(plain));
    expect(changes.map(({ type, path, mode, target }) => [type, path, mode, target])).toEqual([
      ['directory', 'etc', 0o711, ''],
      ['file', 'etc/passwd', 0o755, ''],
      ['symlink', 'bin', 0o755, 'usr/bin'],
      ['special', 'dev/null', 0o755, ''],
      ['link', 'etc/copy', 0o755, 'etc/passwd'],
      ['file', 'etc/.wh.gone', 0o755, ''],
    ]);
    expect(changes[1]?.content?.toString()).toBe('root:x:0:0\n');
  });

  it("takes names and numbers of GNU tar's and of PAX's form", async () => {
    const long = `${'a'.repeat(120)}/b`;
    const gnu = { magic: 'ustar  \0' };
    const base256 = Buffer.from([0x80, 0, 0, 0, 0, 0x2d, 0xc6, 0xc0]);
    const tar = tarOf(
      forgedEntry({ name: '././@LongLink', flag: 'L', ...gnu }, `${long}\0`),
      forgedEntry({ name: 'a', uid: base256, ...gnu }, 'x'),
      forgedRecords([
        ['path', 'p/q'],
        ['mtime', '1600000000.75'],
        ['uid', '3000000'],
        ['SCHILY.xattr.security.capability', 'x'],
      ]),
      forgedEntry({ name: 'short' }, 'y'),
      forgedEntry({ name: 'after', mtime: '13727417600\0' }),
    );
    const changes = await read(tar, options(tar));
    expect(changes.map(({ path, uid, mtime, attributes }) => [path, uid, mtime, attributes])).toEqual([
      [long, 3_000_000, 1_700_000_000, false],
      ['p/q', 3_000_000, 1_600_000_000, true],
      ['after', 0, 0o13727417600, false],
    ]);
  });

  it.each<readonly [string, Buffer, Partial<ChangesOptions>, string]>([
    ['another tar than its diffID names', plain, { diffId: digestOf('x') }, 'DIGEST_MISMATCH'],
    ['more entries than are read', plain, { maxEntries: 3 }, 'LAYER_LIMIT'],
    ['longer paths than are kept', plain, { maxNames: 3 }, 'LAYER_LIMIT'],
    ['more bytes than are read', plain, { maxBytes: 2048 }, 'LAYER_LIMIT'],
    ['a path that leaves the root', tarOf(forgedEntry({ name: 'a/../../b' })), {}, 'INVALID_LAYER'],
    [
      'a path longer than any',
      tarOf(forgedRecords([['path', 'a/'.repeat(2500)]]), forgedEntry({ name: 'a' })),
      {},
      'INVALID_LAYER',
    ],
    [
      'a link to a path longer than any',
      tarOf(forgedRecords([['linkpath', 'a/'.repeat(2500)]]), forgedEntry({ name: 'a', flag: '2' })),
      {},
      'INVALID_LAYER',
    ],
    [
      'a negative size',
      tarOf(forgedRecords([['size', '-512']]), forgedEntry({ name: 'etc/passwd' })),
      {},
      'INVALID_LAYER',
    ],
    [
      'a size that is no whole number',
      tarOf(forgedRecords([['size', '0.5']]), forgedEntry({ name: 'a' })),
      {},
      'INVALID_LAYER',
    ],
    ['a wrong checksum', tarOf(Buffer.alloc(512, 1)), {}, 'INVALID_LAYER'],
    ['a cut end', plain.subarray(0, 800), {}, 'INVALID_LAYER'],
    ['damaged gzip', Buffer.concat([gzipSync(plain).subarray(0, 60), Buffer.alloc(30)]), {}, 'INVALID_LAYER'],
    ['cut zstd', zstdCompressSync(plain).subarray(0, 60), {}, 'INVALID_LAYER'],
  ])('is refused with %s', async (_, blob, more, code) => {
    const [tar] = [blob];
    await expect(read(blob, options(tar, more))).rejects.toMatchObject({ code });
  });

  it('is read, or refused with what is wrong, whatever byte of it is changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(plain.length - 1), fc.integer({ min: 0, max: 255 }), async (at, byte) => {
        const changed = Buffer.from(plain);
        changed[at] = byte;
        const result = await read(changed, options(plain)).catch((error: unknown) => error);
        if (changed.equals(plain)) expect(result).toHaveLength(6);
        else expect(result).toBeInstanceOf(OciError);
      }),
    );
  });
});
