import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type ForgedHeader, forgedEntry, forgedRecords, TAR_END } from '@prebuilt/testing/layers';
import type { SampleFile } from './release-workspace.ts';

const GNU = 'ustar  \0';
const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;

/** An entry; a name with a trailing slash is a folder. Defaults to mode 0644 (0755), owner 0:0 and a time in 2020. */
function entry(
  name: string,
  content: string | Buffer = '',
  {
    mode = name.endsWith('/') ? 0o755 : 0o644,
    uid = 0,
    gid = 0,
    mtime = 1_600_000_000,
    ...more
  }: Numbers & Rest = {},
): Buffer {
  const flag = name.endsWith('/') ? '5' : '0';
  const fields = { mode: octal(mode, 8), uid: octal(uid, 8), gid: octal(gid, 8), mtime: octal(mtime, 12) };
  return forgedEntry({ name, flag, ...fields, ...more }, content);
}

interface Numbers {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
}
type Rest = Omit<ForgedHeader, 'name' | keyof Numbers>;

const link = (name: string, target: string, more: Numbers = {}): Buffer =>
  entry(name, '', { flag: '1', target, ...more });
const symlink = (name: string, target: string, more: Numbers = {}): Buffer =>
  entry(name, '', { flag: '2', target, mode: 0o777, ...more });
const closed = (...parts: readonly Buffer[]): Buffer => Buffer.concat([...parts, TAR_END]);

/** A whole system: everything that an archive may contain, in the usual order and in others. */
const ROOT = closed(
  entry('./', '', { mode: 0o700, uid: 9 }),
  entry('./usr/', '', { mode: 0o711, mtime: 1_500_000_000 }),
  entry('./usr/bin/', '', { uid: 3, gid: 4, mtime: 4_000_000_000 }),
  entry('./usr/bin/tool', 'tool', { mode: 0o4755, uid: 1000, gid: 1001 }),
  link('./usr/bin/same', './usr/bin/tool', { mode: 0o4755, uid: 1000, gid: 1001 }),
  symlink('./usr/bin/relative', '../share/é', { uid: 7, gid: 8, mtime: 1_400_000_000 }),
  symlink('./usr/absolute', '/usr/share', { mtime: 2_000_000_000 }),
  symlink('./usr/nowhere', 'no/where'),
  entry('./usr/share/implied/deep/file', 'x'.repeat(1500), { mtime: 1_600_000_001 }),
  entry('./usr/share/', '', { mode: 0o1777, mtime: 7 }),
  entry('./usr/share/é', 'non-ASCII', { uid: 2_000_000, gid: 2_000_001 }),
  forgedRecords([
    ['path', `usr/share/${'long/'.repeat(40)}name`],
    ['mtime', '1600000000.987654321'],
    ['uid', '3000000'],
    ['uname', 'somebody'],
  ]),
  entry('short', 'long'),
  entry('./empty/', '', { mode: 0o700, gid: 5 }),
  entry('./zero', '', { mtime: 0 }),
  link('./copy', './usr/bin/tool', { mode: 0o4755, uid: 1000, gid: 1001 }),
  entry('./etc/passwd', 'root:x:0:0:root:/root:/sbin/nologin\nweb:x:1000:1001:web:/srv:/sbin/nologin\n'),
);

/** An archive in GNU tar's format, with a name and a target that are too long for a header. */
const SITE = closed(
  entry('././@LongLink', `assets/${'l'.repeat(150)}\0`, { flag: 'L', magic: GNU }),
  entry(`assets/${'l'.repeat(93)}`, 'long', { magic: GNU, uid: 33, gid: 33 }),
  entry('././@LongLink', `assets/${'l'.repeat(150)}\0`, { flag: 'K', magic: GNU }),
  entry('index', '', { magic: GNU, flag: '2', target: 'l'.repeat(100), mode: 0o777 }),
  entry('run', 'run', { magic: GNU, mode: 0o755 }),
  Buffer.alloc(10_240),
);

/** Different files at some of the paths in `ROOT`. */
const OVER = closed(
  entry('usr/bin/tool', 'another', { mode: 0o755 }),
  symlink('usr/bin/same', 'tool'),
  entry('usr/bin/relative', 'no link any more'),
  entry('usr/share/', '', { mode: 0o755, mtime: 1_650_000_000 }),
  symlink('usr/nowhere', 'no/where'),
  entry('zero', '', { mtime: 1 }),
);

/** Everything belongs to 5:6. */
const OWNED = closed(
  entry('a/', '', { uid: 5, gid: 6 }),
  entry('a/b', 'b', { uid: 5, gid: 6 }),
  symlink('a/c', 'b', { uid: 5, gid: 6 }),
);

/** Archives of every kind, and a compressed file that isn't one, by their names in a workspace. */
export const SAMPLE_ARCHIVES: Readonly<Record<string, SampleFile>> = {
  'root.tar.gz': { content: gzipSync(ROOT) },
  'site.tar.zst': { content: zstdCompressSync(SITE) },
  'over.tar': { content: OVER },
  'owned.tar': { content: OWNED },
  'text.gz': { content: gzipSync('text\n') },
};
