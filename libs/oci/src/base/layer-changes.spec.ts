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
      'several gzip members, as in eStargz',
      Buffer.concat([gzipSync(plain.subarray(0, 700)), gzipSync(plain.subarray(700))]),
    ],
    ['zstd', zstdCompressSync(plain)],
    [
      'several zstd frames, as in zstd:chunked',
      Buffer.concat([
        skippableFrame('x'),
        zstdCompressSync(plain.subarray(0, 700)),
        zstdCompressSync(plain.subarray(700)),
        skippableFrame('y'),
      ]),
    ],
    ['no compression', plain],
  ])("lists the changes of a base's layer, in %s", async (_, blob) => {
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

  it("reads names and numbers in GNU tar and PAX form from a base's layer", async () => {
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
    ['a tar that does not match its diffID', plain, { diffId: digestOf('x') }, 'DIGEST_MISMATCH'],
    ['too many entries', plain, { maxEntries: 3 }, 'LAYER_LIMIT'],
    ['too many characters in paths', plain, { maxNames: 3 }, 'LAYER_LIMIT'],
    ['too many bytes', plain, { maxBytes: 2048 }, 'LAYER_LIMIT'],
    ['a path that leaves the root', tarOf(forgedEntry({ name: 'a/../../b' })), {}, 'INVALID_LAYER'],
    [
      'a path that is too long',
      tarOf(forgedRecords([['path', 'a/'.repeat(2500)]]), forgedEntry({ name: 'a' })),
      {},
      'INVALID_LAYER',
    ],
    [
      'a link to a path that is too long',
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
      'a size that is not a whole number',
      tarOf(forgedRecords([['size', '0.5']]), forgedEntry({ name: 'a' })),
      {},
      'INVALID_LAYER',
    ],
    ['a wrong checksum', tarOf(Buffer.alloc(512, 1)), {}, 'INVALID_LAYER'],
    ['a truncated end', plain.subarray(0, 800), {}, 'INVALID_LAYER'],
    ['damaged gzip', Buffer.concat([gzipSync(plain).subarray(0, 60), Buffer.alloc(30)]), {}, 'INVALID_LAYER'],
    ['truncated zstd', zstdCompressSync(plain).subarray(0, 60), {}, 'INVALID_LAYER'],
  ])("a base's layer is refused with %s", async (_, blob, more, code) => {
    const [tar] = [blob];
    await expect(read(blob, options(tar, more))).rejects.toMatchObject({ code });
  });

  it("a base's layer is refused with a typed error, whichever byte is changed", async () => {
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
