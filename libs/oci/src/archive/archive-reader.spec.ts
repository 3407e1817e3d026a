import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import {
  entryBomb,
  forgedEntry,
  forgedHeader,
  forgedRecords,
  LAYER_FORGERIES,
  skippableFrame,
  TAR_END,
} from '@prebuilt/testing/layers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mutationsOf, withChecksums } from '../../testing/mutations.ts';
import { OciError } from '../errors.ts';
import { type ReadArchiveOptions, readArchive } from './archive-reader.ts';

const GNU = 'ustar  \0';
const all = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);
const closed = (...parts: readonly Buffer[]): Buffer => all(...parts, TAR_END);
const plain = closed(forgedEntry({ name: 'a' }, 'content'));
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The entries of an archive as `mode owner time size type path`, or why they are not read. */
async function read(bytes: Buffer, options?: ReadArchiveOptions): Promise<readonly string[] | string> {
  const found = await readArchive([bytes], options);
  if (found.kind === 'file') return 'file';
  if (found.kind === 'foreign') return found.because;
  return found.entries.map(
    ({ type, path, mode, uid, gid, mtime, size, target }) =>
      `${mode.toString(8)} ${uid}:${gid} ${mtime} ${size} ${type} ${path}${target === undefined ? '' : ` -> ${target}`}`,
  );
}

async function refusal(bytes: Buffer, options?: ReadArchiveOptions): Promise<OciError> {
  const error = await readArchive([bytes], options).then(
    (found) => new Error(`it was read: ${JSON.stringify(found)}`),
    (found: unknown) => found,
  );
  if (error instanceof OciError) return error;
  throw error;
}

describe('an archive made by common programs', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'archive-'));
    mkdirSync(join(folder, 'd/deep'), { recursive: true });
    writeFileSync(join(folder, 'd/deep/file'), 'content', { mode: 0o640 });
    writeFileSync(join(folder, `d/${'n'.repeat(120)}é`), '');
    linkSync(join(folder, 'd/deep/file'), join(folder, 'd/other'));
    symlinkSync(`../${'t'.repeat(120)}`, join(folder, 'd/link'));
    for (const path of ['d/deep/file', 'd/deep', 'd'])
      utimesSync(join(folder, path), 1.5e9, 1_600_000_000.75);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(['gnu', 'pax', 'ustar'])(
    'an archive made by GNU tar is read in its %s format, with all its entries',
    async (format) => {
      const args = ['--owner=5', '--group=6', '--sort=name', `--format=${format}`, '--exclude=nnn*é'];
      const short = format === 'ustar' ? ['--exclude=link'] : [];
      const tar = execFileSync('tar', ['-C', folder, '-c', ...args, ...short, '--mode=u=rwX,go=rX', './d']);
      const entries = await read(tar);
      expect(entries).toEqual([
        expect.stringMatching(/^755 5:6 1600000000 0 directory d$/),
        expect.stringMatching(/^755 5:6 1600000000 0 directory d\/deep$/),
        '644 5:6 1600000000 7 file d/deep/file',
        ...(format === 'ustar'
          ? []
          : [expect.stringMatching(/^777 5:6 \d+ 0 symlink d\/link -> \.\.\/t{120}$/)]),
        '644 5:6 1600000000 0 link d/other -> d/deep/file',
      ]);
      const named = execFileSync('tar', [
        '-C',
        folder,
        '-c',
        `--format=${format === 'ustar' ? 'pax' : format}`,
        'd',
      ]);
      expect((await read(named)).at(-1) ?? '').toMatch(/d\/|link/);
      expect(JSON.stringify(await read(named))).toContain(`d/${'n'.repeat(120)}é`);
    },
  );

  it.each<[string, Buffer]>([
    ['without compression', plain],
    ['in gzip', gzipSync(plain)],
    ['in gzip with a name, a comment, extra fields and a header checksum', named(gzipSync(plain))],
    ['in zstd', zstdCompressSync(plain)],
    ['with more zeros at its end', all(plain, Buffer.alloc(8000))],
    ['in one-byte chunks', plain],
  ])('an archive made by common programs is read %s', async (title, bytes) => {
    const source = title.includes('byte') ? [...bytes].map((byte) => Buffer.from([byte])) : [bytes];
    const content: string[] = [];
    const found = await readArchive(source, {
      onFile: async (path, size, chunks) => {
        content.push(path, String(size), Buffer.concat(await Array.fromAsync(chunks)).toString());
      },
    });
    expect(content).toEqual(['a', '7', 'content']);
    expect(found).toEqual({
      kind: 'entries',
      entries: [expect.objectContaining({ path: 'a', sha256: sha256('content') })],
    });
  });

  it.each<[string, Buffer, readonly string[]]>([
    [
      'from git, with the commit in a global header',
      closed(forgedRecords([['comment', 'c']], 'g'), forgedEntry({ name: 'a' })),
      ['a'],
    ],
    ['without folders', closed(forgedEntry({ name: 'a/b/c' })), ['a/b/c']],
    [
      'with a folder after its contents',
      closed(forgedEntry({ name: 'a/b' }), forgedEntry({ name: 'a/', flag: '5' })),
      ['a/b', 'a'],
    ],
    ['with a folder without a slash', closed(forgedEntry({ name: 'a', flag: '5' })), ['a']],
    ['with the root', closed(forgedEntry({ name: './', flag: '5' }), forgedEntry({ name: './a' })), ['a']],
    [
      'with user names',
      closed(
        forgedRecords([
          ['uname', 'x'],
          ['atime', '1.5'],
          ['mtime', '7.5'],
        ]),
        forgedEntry({ name: 'a', uname: 'x' }),
      ),
      ['a'],
    ],
    [
      'with a base-256 owner',
      closed(
        forgedEntry({
          name: 'a',
          magic: GNU,
          uid: Buffer.from('8000000000300000', 'hex'),
          over: [[345, Buffer.alloc(155)]],
        }),
      ),
      ['a'],
    ],
    ['with nothing but the root', closed(forgedEntry({ name: './', flag: '5' })), []],
  ])('an archive made by common programs is read %s', async (_, bytes, paths) => {
    const found = await readArchive([bytes]);
    expect(found.kind === 'entries' && found.entries.map(({ path }) => path)).toEqual(paths);
  });

  it.each<[string, Buffer, string]>([
    ['an empty file', Buffer.alloc(0), 'file'],
    ['plain text', Buffer.from('text'.repeat(500)), 'file'],
    ['compressed text', gzipSync('text'), 'file'],
    ['only zeros', Buffer.alloc(10_240), 'file'],
    ['xz', Buffer.from('fd377a585a000004', 'hex'), 'compressed with xz'],
    ['bzip2', Buffer.from('BZh91AY&SY'), 'compressed with bzip2'],
    ['a device', closed(forgedEntry({ name: 'dev/null', flag: '3' })), 'with a device or FIFO ("dev/null")'],
    ['a FIFO', closed(forgedEntry({ name: 'pipe', flag: '6' })), 'with a device or FIFO ("pipe")'],
  ])('an archive is told apart from %s', async (_, bytes, expected) => {
    expect(await read(bytes)).toBe(expected);
  });
});

describe('a hostile archive', () => {
  const file = forgedEntry({ name: 'a' }, 'content');
  const link = (name: string, target: string, flag = '2') => forgedEntry({ name, target, flag });

  it.each<[string, Buffer, RegExp]>([
    ['a path that leaves the destination', closed(forgedEntry({ name: '../a' })), /leaves the folder/],
    ['a path that leaves it after a folder', closed(forgedEntry({ name: 'a/../../b' })), /leaves the folder/],
    ['an absolute path', closed(forgedEntry({ name: '/a' })), /an absolute path/],
    ['a path with "." in it', closed(forgedEntry({ name: 'a/./b' })), /empty part or "\."/],
    ['a path with two slashes', closed(forgedEntry({ name: 'a//b' })), /empty part/],
    ['a file with a trailing slash', closed(forgedEntry({ name: 'a/' })), /empty part/],
    ['a file for the destination itself', closed(forgedEntry({ name: './' })), /empty part/],
    ['a PAX path that leaves it', closed(forgedRecords([['path', '../x']]), file), /leaves the folder/],
    ['a path of 101 folders', closed(forgedRecords([['path', `${'d/'.repeat(100)}f`]]), file), /100 folders/],
    ['a name of 256 bytes', closed(forgedRecords([['path', 'é'.repeat(128)]]), file), /255 bytes/],
    ['a name with a line feed', closed(forgedEntry({ name: 'a\nb' })), /control characters/],
    ['a name that is not UTF-8', closed(forgedEntry({ name: Buffer.from([0x61, 0xff]) })), /not UTF-8/],
    ['a whiteout', closed(forgedEntry({ name: 'd/.wh.a' })), /removes files/],
    ['a link that leaves the destination', closed(link('d/l', '../../etc/passwd')), /leaves the folder/],
    [
      'a file through a link',
      closed(link('l', '/etc'), forgedEntry({ name: 'l/passwd' })),
      /leads through "l", which is a symlink/,
    ],
    ['a file in place of a folder', closed(forgedEntry({ name: 'a/b' }), file), /is a file and a folder/],
    ['a file below a file', closed(file, forgedEntry({ name: 'a/b' })), /leads through "a", which is a file/],
    ['a duplicate path', closed(file, file), /"a": is given twice/],
    ['a hard link to nothing', closed(link('l', 'a', '1')), /not an earlier file/],
    ['a hard link to elsewhere', closed(link('l', '../../etc/shadow', '1')), /leaves the folder/],
    ['a hard link to a link', closed(link('l', '/a'), link('m', 'l', '1')), /not an earlier file/],
    [
      'a hard link with another mode',
      closed(file, forgedEntry({ name: 'l', flag: '1', target: 'a', mode: '0004755\0' })),
      /a different mode, owner or time/,
    ],
    ['a link without a target', closed(link('l', '')), /with no target/],
    ['a file with a target', closed(forgedEntry({ name: 'a', target: 'b' })), /with a target/],
    ['a PAX sparse file', closed(forgedRecords([['GNU.sparse.major', '1']]), file), /GNU\.sparse\.major/],
    ['a GNU sparse file', closed(forgedEntry({ name: 'a', flag: 'S' })), /sparse file/],
    [
      'extended attributes',
      closed(forgedRecords([['SCHILY.xattr.security.capability', 'x']]), file),
      /SCHILY\.xattr/,
    ],
    [
      'libarchive attributes',
      closed(forgedRecords([['LIBARCHIVE.xattr.user.x', 'eA']]), file),
      /LIBARCHIVE\.xattr/,
    ],
    [
      'a path for all entries that follow',
      closed(forgedRecords([['path', 'x']], 'g'), file),
      /global PAX header with path/,
    ],
    [
      'two names for one entry',
      closed(forgedEntry({ name: 'l', flag: 'L', magic: GNU }, 'x\0'), forgedRecords([['path', 'y']]), file),
      /two names/,
    ],
    [
      'an empty long name',
      closed(forgedEntry({ name: 'l', flag: 'L', magic: GNU }), file),
      /a long name that is empty/,
    ],
    ['an invalid device number', closed(forgedEntry({ name: 'a', over: [[329, 'x']] })), /not octal/],
    ['a name without an entry', closed(file, forgedRecords([['path', 'y']])), /without an entry/],
    [
      'a time before 1970',
      closed(forgedRecords([['mtime', '-1']]), file),
      /mtime: expected a time since 1970/,
    ],
    ['an owner beyond 31 bits', closed(forgedRecords([['uid', '2147483648']]), file), /up to 2147483647/],
    [
      'a folder with a size',
      closed(forgedEntry({ name: 'd/', flag: '5', size: '00000001000\0' }, 'x')),
      /some readers skip/,
    ],
    ['a number that is not octal', closed(forgedEntry({ name: 'a', mode: '0000x44\0' })), /not octal/],
    [
      'an older format',
      closed(forgedEntry({ name: 'a', magic: '\0\0\0\0\0\0\0\0' })),
      /neither POSIX nor GNU/,
    ],
    [
      'an incremental archive',
      closed(forgedEntry({ name: 'a', magic: GNU, prefix: '14524770400' })),
      /more fields/,
    ],
    ['an archive after the end', all(plain, plain), /after the end of the archive/],
    ['one block of zeros', all(file, Buffer.alloc(512), file), /one block of zeros/],
    ['no end', file, /before the end of the archive/],
    ['half a file', plain.subarray(0, 600), /missing|before the end/],
    ['bytes in the padding', all(file.subarray(0, -1), Buffer.from('x'), TAR_END), /bytes between/],
    [
      'a header with a wrong checksum',
      all(file, Buffer.from(file).fill('x', 0, 1), TAR_END),
      /wrong checksum/,
    ],
    ['a second gzip member', all(gzipSync(plain), gzipSync(plain)), /follow the first member/],
    ['bytes after gzip', all(gzipSync(plain), Buffer.from('x')), /follow the first member/],
    ['gzip with a wrong checksum', tampered(gzipSync(plain)), /does not match the checksum/],
    ['half of a gzip member', gzipSync(plain).subarray(0, -9), /gzip|decompressed|missing|truncated/],
    ['a second zstd frame', all(zstdCompressSync(plain), zstdCompressSync(plain)), /frame/],
    ['a skippable frame before it', all(skippableFrame('x'), zstdCompressSync(plain)), /skippable frame/],
    ['a skippable frame after it', all(zstdCompressSync(plain), skippableFrame('x')), /frame/],
  ])('refuses an archive with %s', async (_, bytes, message) => {
    const error = await refusal(bytes);
    expect(error.message).toMatch(message);
    expect(error.code).toBe('INVALID_ARCHIVE');
    expect(error.message).toMatch(/^archive: /);
  });

  const limits = { bytes: 1024 * 1024, entries: 20, names: 1000 };
  it.each<[string, Buffer, RegExp]>([
    ['very many entries', entryBomb(5000).blob, /20 entries|bytes of tar/],
    [
      'very many global headers',
      closed(...Array.from({ length: 100 }, () => forgedRecords([['comment', 'x']], 'g')), file),
      /20 entries/,
    ],
    [
      'too many bytes when unpacked',
      zstdCompressSync(
        all(forgedHeader({ name: 'a', size: '77777777777\0' }), Buffer.alloc(2 * 1024 * 1024)),
      ),
      /1048576 bytes of tar/,
    ],
    [
      '8 GiB of names',
      closed(forgedHeader({ name: 'x', flag: 'L', magic: GNU, size: '77777777777\0' })),
      /bytes of names and records/,
    ],
    [
      'long names',
      closed(
        ...'abcdefghij'
          .split('')
          .map((name) => forgedEntry({ name: name.repeat(99), flag: '2', target: 'x' })),
        file,
      ),
      /1000 characters of names/,
    ],
  ])('refuses an archive with %s', async (_, bytes, message) => {
    const error = await refusal(bytes, { limits });
    expect(error.message).toMatch(message);
    expect(error.code).toBe('ARCHIVE_LIMIT');
  });

  it('refuses forged layers as archives, except for forms that all unpackers read alike', async () => {
    const planned = { path: 'app', content: Buffer.from('#!/bin/sh\n') };
    const taken: string[] = [];
    for (const { title, form, forge } of LAYER_FORGERIES) {
      if (form !== 'refused') continue;
      const found = await readArchive([forge(planned).blob]).catch((error: unknown) => error);
      if (found instanceof OciError) expect(found.code, title).toBe('INVALID_ARCHIVE');
      else taken.push(title);
    }
    expect(taken).toMatchInlineSnapshot(`
      [
        "the owner's name in a PAX record",
        "GNU tar's long name in place of the path",
        "GNU tar's long link target",
        "GNU tar's header",
        "a PAX path that the header could hold",
        "a PAX size other than the header has",
        "a PAX owner other than the header has",
        "a PAX time with a fraction",
        "an owner's name in the header",
        "bytes behind the NUL that ends the name",
        "a character device",
        "a FIFO",
        "a name in the gzip header",
      ]
    `);
  });
});

describe('an archive changed anywhere', () => {
  const MANY = closed(
    forgedEntry({ name: './', flag: '5' }),
    forgedEntry({ name: 'd/', flag: '5' }),
    forgedRecords([
      ['path', 'd/größe'],
      ['mtime', '1.5'],
    ]),
    forgedEntry({ name: 'd/a' }, 'content'),
    forgedEntry({ name: 'l', flag: 'L', magic: GNU }, 'd/b\0'),
    forgedEntry({ name: 'x', magic: GNU }, 'b'),
    forgedEntry({ name: 'd/c', flag: '1', target: 'd/b' }),
    forgedEntry({ name: 'd/s', flag: '2', target: '../d/b' }),
  );
  const isInner = (path: string): boolean =>
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

  it.each([
    ['plain', (bytes: Buffer) => withChecksums(bytes)],
    ['in gzip', (bytes: Buffer) => gzipSync(withChecksums(bytes))],
    ['in broken gzip', (bytes: Buffer) => Buffer.concat([gzipSync(MANY).subarray(0, 40), bytes])],
  ] as const)(
    'an archive changed anywhere is read as files that stay inside, or refused: %s',
    async (_, pack) => {
      await fc.assert(
        fc.asyncProperty(mutationsOf(MANY), async (bytes) => {
          const found = await readArchive([pack(bytes)]).catch((error: unknown) => error);
          if (found instanceof OciError) {
            expect(found.code).toMatch(/^(INVALID_ARCHIVE|ARCHIVE_LIMIT)$/);
            return;
          }
          if (found instanceof Error) throw found;
          const { kind, entries = [] } = found as { kind: string; entries?: readonly { path: string }[] };
          expect(kind).toMatch(/^(entries|file|foreign)$/);
          expect(entries.every(({ path }) => isInner(path))).toBe(true);
        }),
        { numRuns: 150 },
      );
    },
  );
});

/** A gzip member with every optional field in its header. */
function named(member: Buffer): Buffer {
  const head = Buffer.from(member.subarray(0, 10));
  head[3] = 0x1e;
  return all(
    head,
    Buffer.from('\x03\0abc'),
    Buffer.from('name.tar\0comment\0'),
    Buffer.from([1, 2]),
    member.subarray(10),
  );
}

function tampered(member: Buffer): Buffer {
  const bytes = Buffer.from(member);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 8) ^ 1, bytes.length - 8);
  return bytes;
}
