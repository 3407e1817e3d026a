import { gzipSync } from 'node:zlib';
import {
  forgedEntry,
  forgedHeader,
  forgedRecords,
  skippableFrame,
  TAR_END,
  zstdFrame,
} from './forged-layer.ts';

/**
 * The only file in the planned layer: mode 0755, owner 0:0, time 1,700,000,000, and a size that is not a multiple of
 * 512 bytes.
 */
export interface PlannedFile {
  /** A path in the image's root. */
  readonly path: string;
  readonly content: Buffer;
}

/** A layer that differs from the planned one. */
export interface ForgedLayer {
  readonly compression: 'gzip' | 'zstd';
  /** The bytes as stored and sent. */
  readonly blob: Buffer;
  /** The bytes that the diffID is computed from: the output of a reader that reads every gzip member or zstd frame. */
  readonly tar: Buffer;
}

/** A way to forge a layer. */
export interface LayerForgery {
  readonly title: string;
  /** The part of the error message that identifies it. */
  readonly named: RegExp;
  /**
   * Whether `readLayer` already refuses its form. If not, all readers read it in the same way, and it only differs from
   * the plan.
   */
  readonly form: 'refused' | 'sound';
  /** The observed result of unpacking it with umoci 0.4.7: different files than planned, or not. */
  readonly unpacked: 'otherwise' | 'as planned or not at all';
  forge(planned: PlannedFile): ForgedLayer;
}

// The refused forms that umoci 0.4.7 (Debian 12) unpacks to different files than planned.
const OBEYED: ReadonlySet<string> = new Set([
  "GNU tar's long link target",
  "GNU tar's long name in place of the path",
  'PAX records of a sparse file that move its content',
  'a FIFO',
  'a PAX path that is given twice',
  'a PAX time with a fraction',
  'a capability in a SCHILY.xattr record',
  'a character device',
  'a file under a symbolic link',
  'a folder with a size, whose content only some readers skip',
  'a second entry that replaces the path with a hard link',
  'a hard link that makes the file setuid',
  'a path through ".."',
  'a path that leaves the root',
  'a path with "./" before it',
  'a path with two slashes',
  'a second gzip member',
  'a second entry that replaces the path with a symbolic link',
  'a symbolic link with a size',
  'a whiteout of everything in a folder',
  'an absolute path',
  'the path a second time, with different content',
]);

const EVIL = Buffer.from('#!/bin/sh\necho evil\n');

function refused(title: string, named: RegExp, forge: (planned: PlannedFile) => Buffer): LayerForgery {
  const unpacked = OBEYED.has(title) ? 'otherwise' : 'as planned or not at all';
  return { title, named, form: 'refused', unpacked, forge: (planned) => gzipped(closed(forge(planned))) };
}

function sound(title: string, named: RegExp, forge: (planned: PlannedFile) => Buffer): LayerForgery {
  return {
    title,
    named,
    form: 'sound',
    unpacked: 'otherwise',
    forge: (planned) => gzipped(closed(forge(planned))),
  };
}

function compressed(
  title: string,
  named: RegExp,
  forge: (planned: PlannedFile) => ForgedLayer,
): LayerForgery {
  const unpacked = OBEYED.has(title) ? 'otherwise' : 'as planned or not at all';
  return { title, named, form: 'refused', unpacked, forge };
}

const honest = ({ path, content }: PlannedFile): Buffer => forgedEntry({ name: path }, content);
const evil = (name: string): Buffer => forgedEntry({ name }, EVIL);
const all = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);
const closed = (entries: Buffer): Buffer => all(entries, TAR_END);
const gzipped = (tar: Buffer): ForgedLayer => ({ compression: 'gzip', blob: gzipSync(tar), tar });

// A capability in the kernel's storage format: CAP_SYS_ADMIN, effective and permitted.
const CAPABILITY = '\x01\x00\x00\x02\x00\x00\x20\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00';

/** Ways to forge a layer. Each is followed by some unpacker, or read differently by two of them. */
export const LAYER_FORGERIES: readonly LayerForgery[] = [
  refused('PAX records of a sparse file that move its content', /GNU\.sparse\.major/, (planned) =>
    all(
      forgedRecords([
        ['GNU.sparse.major', '0'],
        ['GNU.sparse.minor', '1'],
        ['GNU.sparse.size', String(planned.content.length + 512)],
        ['GNU.sparse.numblocks', '1'],
        ['GNU.sparse.map', `512,${planned.content.length}`],
      ]),
      honest(planned),
    ),
  ),
  refused('PAX records of a sparse file that give it another name', /GNU\.sparse\.name/, (planned) =>
    all(
      forgedRecords([
        ['GNU.sparse.name', `${planned.path}.sh`],
        ['GNU.sparse.size', String(planned.content.length)],
        ['GNU.sparse.map', `0,${planned.content.length}`],
      ]),
      honest(planned),
    ),
  ),
  refused('a capability in a SCHILY.xattr record', /SCHILY\.xattr\.security\.capability/, (planned) =>
    all(forgedRecords([['SCHILY.xattr.security.capability', CAPABILITY]]), honest(planned)),
  ),
  refused('an attribute in a LIBARCHIVE.xattr record', /LIBARCHIVE\.xattr/, (planned) =>
    all(forgedRecords([['LIBARCHIVE.xattr.user.evil', 'eWVz']]), honest(planned)),
  ),
  refused("the owner's name in a PAX record", /PAX record "uname"/, (planned) =>
    all(forgedRecords([['uname', 'nobody']]), honest(planned)),
  ),
  refused('a global PAX header with another path', /global PAX header/, (planned) =>
    all(forgedRecords([['path', 'elsewhere']], 'g'), honest(planned)),
  ),
  refused("GNU tar's long name in place of the path", /long name/, (planned) =>
    all(forgedEntry({ name: '././@LongLink', flag: 'L' }, 'elsewhere\0'), honest(planned)),
  ),
  refused("GNU tar's long link target", /long link target/, (planned) =>
    all(
      honest(planned),
      forgedEntry({ name: '././@LongLink', flag: 'K' }, '/etc/shadow\0'),
      forgedEntry({ name: 'link', flag: '2', target: planned.path }),
    ),
  ),
  refused("GNU tar's sparse file", /sparse file/, (planned) =>
    all(forgedEntry({ name: planned.path, flag: 'S', magic: 'ustar\x0000' }, planned.content)),
  ),
  refused("GNU tar's header", /another format/, (planned) =>
    all(forgedEntry({ name: planned.path, magic: 'ustar  \0' }, planned.content)),
  ),
  refused('a PAX path that is given twice', /path is given twice/, (planned) =>
    all(
      forgedRecords([
        ['path', planned.path],
        ['path', 'elsewhere'],
      ]),
      honest(planned),
    ),
  ),
  refused('two PAX headers for one file', /two sets of PAX records for one entry/, (planned) =>
    all(forgedRecords([['path', 'elsewhere']]), forgedRecords([['path', planned.path]]), honest(planned)),
  ),
  refused('a PAX path that the header could hold', /interpret differently/, (planned) =>
    all(forgedRecords([['path', planned.path]]), forgedEntry({ name: 'elsewhere' }, planned.content)),
  ),
  refused('a PAX size other than the header has', /interpret differently/, (planned) =>
    all(
      forgedRecords([['size', String(planned.content.length)]]),
      forgedEntry({ name: planned.path, size: '00000000000\0' }, planned.content),
    ),
  ),
  refused('a PAX owner other than the header has', /interpret differently/, (planned) =>
    all(
      forgedRecords([['uid', '0']]),
      forgedEntry({ name: planned.path, uid: '0177776\0' }, planned.content),
    ),
  ),
  refused('a PAX time with a fraction', /PAX record mtime/, (planned) =>
    all(forgedRecords([['mtime', '1700000000.5']]), honest(planned)),
  ),
  refused("an owner's name in the header", /owner's name/, (planned) =>
    forgedEntry({ name: planned.path, uname: 'nobody' }, planned.content),
  ),
  refused('a size in base 256', /not octal/, (planned) => {
    const size = Buffer.alloc(12);
    size[0] = 0x80;
    size.writeUInt32BE(planned.content.length, 8);
    return forgedEntry({ name: planned.path, size }, planned.content);
  }),
  refused('bytes behind the NUL that ends the name', /whose name readers/, (planned) =>
    forgedEntry({ name: `${planned.path}\0/etc/passwd` }, planned.content),
  ),
  refused('a file of the old type with a name that ends in a slash', /before POSIX/, (planned) =>
    all(forgedEntry({ name: `${planned.path}/`, flag: '\0' }), honest(planned)),
  ),
  refused('a contiguous file', /contiguous/, (planned) =>
    forgedEntry({ name: planned.path, flag: '7' }, planned.content),
  ),
  refused('a folder with a size, whose content only some readers skip', /readers skip/, (planned) =>
    all(honest(planned), forgedEntry({ name: 'd/', flag: '5' }, closed(evil('etc')).subarray(0, 1024))),
  ),
  refused('a symbolic link with a size', /readers skip/, (planned) =>
    all(honest(planned), forgedEntry({ name: 'l', flag: '2', target: planned.path }, evil('etc'))),
  ),
  refused('a path with "./" before it', /"\."/, (planned) =>
    all(honest(planned), forgedEntry({ name: `./${planned.path}` }, EVIL)),
  ),
  refused('an absolute path', /absolute/, (planned) => all(honest(planned), evil(`/${planned.path}`))),
  refused('a path that leaves the root', /leaves/, (planned) =>
    all(honest(planned), evil(`../${planned.path}`)),
  ),
  refused('a path through ".."', /leaves/, (planned) =>
    all(forgedEntry({ name: 'd/', flag: '5' }), honest(planned), evil(`d/../${planned.path}`)),
  ),
  refused('a path with two slashes', /empty part/, (planned) =>
    all(forgedEntry({ name: 'd/', flag: '5' }), honest(planned), evil('d//e')),
  ),
  refused('the path a second time, with different content', /is given twice/, (planned) =>
    all(honest(planned), evil(planned.path)),
  ),
  refused('a second entry that replaces the path with a symbolic link', /is given twice/, (planned) =>
    all(honest(planned), forgedEntry({ name: planned.path, flag: '2', target: '/bin/sh' })),
  ),
  refused('a second entry that replaces the path with a hard link', /is given twice/, (planned) =>
    all(honest(planned), evil('e'), forgedEntry({ name: planned.path, flag: '1', target: 'e' })),
  ),
  refused('a hard link that makes the file setuid', /hard link with a different mode/, (planned) =>
    all(honest(planned), forgedEntry({ name: 'l', flag: '1', target: planned.path, mode: '0004755\0' })),
  ),
  refused('a hard link to a file of another layer', /not an earlier file/, (planned) =>
    all(honest(planned), forgedEntry({ name: 'l', flag: '1', target: 'lib/libc.so.6', mode: '0004755\0' })),
  ),
  refused('a file under a symbolic link', /expected its folder before it, found symlink/, (planned) =>
    all(honest(planned), forgedEntry({ name: 'd', flag: '2', target: '.' }), evil(`d/${planned.path}`)),
  ),
  refused('a whiteout of another file', /whiteout/, (planned) => all(honest(planned), evil('.wh.lib'))),
  refused('a whiteout of everything in a folder', /whiteout/, (planned) =>
    all(forgedEntry({ name: 'lib/', flag: '5' }), evil('lib/.wh..wh..opq'), honest(planned)),
  ),
  refused('a character device', /character device/, (planned) =>
    all(honest(planned), forgedEntry({ name: 'null', flag: '3' })),
  ),
  refused('a FIFO', /FIFO/, (planned) => all(honest(planned), forgedEntry({ name: 'fifo', flag: '6' }))),
  refused('a second archive after the end', /after the end/, (planned) =>
    all(closed(honest(planned)), evil(planned.path)),
  ),
  refused('an entry after one block of zeros', /one block of zeros/, (planned) =>
    all(honest(planned), Buffer.alloc(512), evil(planned.path)),
  ),
  refused('bytes in the padding of a file', /next block/, (planned) => {
    const bytes = honest(planned);
    bytes[bytes.length - 1] = 1;
    return bytes;
  }),
  compressed('a second gzip member', /gzip: .*follow the first member/, (planned) => {
    const [first, second] = [honest(planned), closed(evil(planned.path))];
    return { compression: 'gzip', blob: all(gzipSync(first), gzipSync(second)), tar: all(first, second) };
  }),
  compressed('a second gzip member with its own archive', /gzip: .*follow the first member/, (planned) => {
    const [first, second] = [closed(honest(planned)), closed(evil(planned.path))];
    return { compression: 'gzip', blob: all(gzipSync(first), gzipSync(second)), tar: first };
  }),
  compressed('bytes after the gzip member', /gzip: .*follow the first member/, (planned) => {
    const tar = closed(honest(planned));
    return { compression: 'gzip', blob: all(gzipSync(tar), closed(evil(planned.path))), tar };
  }),
  compressed('a name in the gzip header', /gzip: .*flags 0x8/, (planned) => {
    const tar = closed(honest(planned));
    const plain = gzipSync(tar);
    const head = Buffer.from(plain.subarray(0, 10));
    head[3] = 8;
    return { compression: 'gzip', blob: all(head, Buffer.from('evil\0'), plain.subarray(10)), tar };
  }),
  compressed('a second zstd frame', /zstd: .*follow the first frame/, (planned) => {
    const [first, second] = [honest(planned), closed(evil(planned.path))];
    return { compression: 'zstd', blob: all(zstdFrame(first), zstdFrame(second)), tar: all(first, second) };
  }),
  compressed(
    'another file list in a skippable zstd frame, as in zstd:chunked',
    /zstd: .*follow/,
    (planned) => {
      const tar = closed(honest(planned));
      return {
        compression: 'zstd',
        blob: all(zstdFrame(tar), skippableFrame('{"version":1,"entries":[]}')),
        tar,
      };
    },
  ),
  compressed('a skippable zstd frame before the content', /zstd: a skippable frame/, (planned) => {
    const tar = closed(honest(planned));
    return { compression: 'zstd', blob: all(skippableFrame(evil('e')), zstdFrame(tar)), tar };
  }),
  sound('different content', /SHA-256/, ({ path }) => evil(path)),
  sound('a setuid bit', /mode/, ({ path, content }) =>
    forgedEntry({ name: path, mode: '0004755\0' }, content),
  ),
  sound('a world-writable file', /mode/, ({ path, content }) =>
    forgedEntry({ name: path, mode: '0000777\0' }, content),
  ),
  sound('a different owner', /owner/, ({ path, content }) =>
    forgedEntry({ name: path, uid: '0177776\0' }, content),
  ),
  sound('a different time', /time/, ({ path, content }) =>
    forgedEntry({ name: path, mtime: '00000000001\0' }, content),
  ),
  sound('an extra file', /etc.*expected nothing/, (planned) =>
    all(
      forgedEntry({ name: 'etc/', flag: '5' }),
      forgedEntry({ name: 'etc/ld.so.preload' }, '/lib/evil.so\n'),
      honest(planned),
    ),
  ),
  sound('an extra folder', /tmp.*expected nothing/, (planned) =>
    all(honest(planned), forgedEntry({ name: 'tmp/', flag: '5', mode: '0001777\0' })),
  ),
  sound('an extra hard link', /copy.*expected nothing/, (planned) =>
    all(honest(planned), forgedEntry({ name: 'copy', flag: '1', target: planned.path })),
  ),
  sound('a symbolic link in place of the file', /expected a file, found a symlink/, (planned) =>
    forgedEntry({ name: planned.path, flag: '2', target: 'lib/libc.so.6' }),
  ),
  sound('a folder in place of the file', /expected a file, found a directory/, (planned) =>
    forgedEntry({ name: `${planned.path}/`, flag: '5' }),
  ),
  sound('no file at all', /expected a file, found nothing/, () => Buffer.alloc(0)),
];

/** A tar with many small folders: a few kilobytes of zstd for many megabytes of entries. */
export function entryBomb(count: number): ForgedLayer {
  const entries = Array.from({ length: count }, (_, index) =>
    forgedHeader({ name: `d${index}/`, flag: '5' }),
  );
  const tar = closed(Buffer.concat(entries));
  return { compression: 'zstd', blob: zstdFrame(tar), tar };
}
