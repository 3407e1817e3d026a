import { OciError } from '../errors.ts';
import {
  ATTRIBUTE_KEY,
  type Attribute,
  BLOCK,
  type EntryMetadata,
  type EntryType,
  encodeHeader,
  type SpecialFile,
} from './tar-header.ts';

/** The maximum size of an entry's PAX records in bytes, with room for the longest path and target. */
const MAX_RECORDS_BYTES = 16 * 1024;
/** With extended attributes, of which Linux allows at most 64 KiB per file. */
const MAX_ATTRIBUTE_RECORDS_BYTES = 128 * 1024;

/**
 * What a layer may contain: `files` for one that only adds files; `changes` for one made by running something, which
 * may also remove files and contain special files and extended attributes.
 */
export type LayerContents = 'files' | 'changes';

/** The entry that a header describes, or the size of the PAX records that precede it. */
export type DecodedHeader =
  | { readonly kind: 'entry'; readonly fields: HeaderFields }
  | { readonly kind: 'records'; readonly bytes: number };

/** The fields of a header, unchanged. */
export interface HeaderFields extends Omit<EntryMetadata, 'path' | 'target'> {
  readonly name: string;
  readonly target: string;
}

/** The records of a PAX header, limited to the keys that a layer may use. */
export interface PaxRecords {
  readonly values: ReadonlyMap<PaxKey, string>;
  readonly attributes: readonly Attribute[];
}

type PaxKey = 'path' | 'linkpath' | 'uid' | 'gid' | 'size' | 'mtime';

const PAX_KEYS: ReadonlySet<string> = new Set<PaxKey>(['path', 'linkpath', 'uid', 'gid', 'size', 'mtime']);
const NO_RECORDS: PaxRecords = { values: new Map(), attributes: [] };

const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
};
/** The types of entries that no layer may have, by flag, with their descriptions. */
export const REFUSED_TYPES: Readonly<Record<string, string>> = {
  '\0': 'a file in the format before POSIX',
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a FIFO',
  '7': 'a contiguous file',
  g: 'a global PAX header, which some readers apply to every entry',
  K: "GNU tar's long link target",
  L: "GNU tar's long name",
  S: "GNU tar's sparse file",
  X: 'a Solaris PAX header',
};

/**
 * Decodes a USTAR header block. Throws `INVALID_LAYER` for a wrong checksum, another format, a number that is not
 * octal, PAX records larger than 16 KiB (128 KiB in a layer of `changes`), and every type except files, folders, links,
 * the PAX records of one entry, and, in a layer of `changes`, devices and FIFOs.
 * https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06
 */
export function decodeHeader(block: Buffer, contents: LayerContents = 'files'): DecodedHeader {
  const expected = octal(block, 148, 8);
  const sum = checksumOf(block);
  if (sum !== expected) throw invalid(`header with the checksum ${expected}, found ${sum}`);
  const name = fullName(block);
  if (block.toString('latin1', 257, 265) !== 'ustar\x0000') {
    throw invalid(`${JSON.stringify(name)}: expected a USTAR header, found another format (GNU or older)`);
  }
  const flag = block.toString('latin1', 156, 157);
  const size = octal(block, 124, 12);
  if (flag === 'x') {
    const most = contents === 'files' ? MAX_RECORDS_BYTES : MAX_ATTRIBUTE_RECORDS_BYTES;
    if (size > most) throw invalid(`${size} bytes of PAX records for one entry, expected at most ${most}`);
    return { kind: 'records', bytes: size };
  }
  const special: SpecialFile | undefined =
    contents === 'changes' && (flag === '3' || flag === '4' || flag === '6')
      ? { flag, major: octal(block, 329, 8), minor: octal(block, 337, 8) }
      : undefined;
  const type = special === undefined ? TYPES[flag] : 'special';
  if (type === undefined) {
    const found = REFUSED_TYPES[flag] ?? `the type ${JSON.stringify(flag)}`;
    throw invalid(`${JSON.stringify(name)}: expected a file, folder or link, found ${found}`);
  }
  const [mode, uid, gid] = [octal(block, 100, 8), octal(block, 108, 8), octal(block, 116, 8)];
  const mtime = octal(block, 136, 12);
  return {
    kind: 'entry',
    fields: {
      name,
      type,
      mode,
      uid,
      gid,
      size,
      mtime,
      target: text(block, 157, 100),
      ...(special !== undefined && { special }),
    },
  };
}

/**
 * Decodes the records of a PAX header. Throws `INVALID_LAYER` if they are not of the form `length key=value`, for a
 * duplicate key, and for every key except path, linkpath, uid, gid, size and mtime: from other keys, unpackers take
 * extended attributes (`SCHILY.xattr.`), other names and other content (`GNU.sparse.`). In a layer of `changes`,
 * extended attributes are returned. Keys in `passedOver` are ignored.
 */
export function decodePaxRecords(
  data: Buffer,
  contents: LayerContents = 'files',
  passedOver: ReadonlySet<string> = new Set(),
): PaxRecords {
  const records = new Map<PaxKey, string>();
  const attributes = new Map<string, Buffer>();
  let offset = 0;
  while (offset < data.length) {
    const space = data.indexOf(' ', offset);
    const digits = space < 0 || space - offset > 9 ? '' : data.toString('latin1', offset, space);
    const end = offset + Number(digits);
    const record = /^\d+$/.test(digits) && end <= data.length ? data.toString('utf8', space + 1, end) : '';
    const equals = record.indexOf('=');
    if (equals < 1 || !record.endsWith('\n')) {
      throw invalid('PAX records that are not of the form "length key=value"');
    }
    const key = record.slice(0, equals);
    if (contents === 'changes' && key.startsWith(ATTRIBUTE_KEY)) {
      if (attributes.has(key)) throw invalid(`PAX record ${JSON.stringify(key.slice(0, 80))} is given twice`);
      const from = space + 1 + Buffer.byteLength(key) + 1;
      attributes.set(key, data.subarray(from, end - 1));
      offset = end;
      continue;
    }
    if (passedOver.has(key)) {
      offset = end;
      continue;
    }
    if (!isPaxKey(key)) {
      throw invalid(
        `PAX record ${JSON.stringify(key.slice(0, 80))}: expected only ${[...PAX_KEYS].join(', ')}`,
      );
    }
    if (records.has(key)) throw invalid(`PAX record ${key} is given twice`);
    records.set(key, record.slice(equals + 1, -1));
    offset = end;
  }
  return {
    values: records,
    attributes: [...attributes].map(([key, value]) => ({ name: key.slice(ATTRIBUTE_KEY.length), value })),
  };
}

/**
 * The metadata of an entry, from its header and the PAX records before it. Throws `INVALID_LAYER` for a path spelled in
 * a way that readers may disagree on (absolute, with `.`, `..` or empty parts, or with a trailing slash for anything
 * but a folder), and for anything with a size other than a file.
 */
export function entryOf(fields: HeaderFields, records: PaxRecords = NO_RECORDS): EntryMetadata {
  const { type } = fields;
  const name = records.values.get('path') ?? fields.name;
  const target = records.values.get('linkpath') ?? fields.target;
  if ((target === '') === (type === 'link' || type === 'symlink')) {
    throw invalid(`${JSON.stringify(name)}: a ${type} with ${target === '' ? 'no' : 'a'} target`);
  }
  const size = numberOf(records, 'size') ?? fields.size;
  if (type !== 'file' && size !== 0) {
    throw invalid(`${JSON.stringify(name)}: a ${type} with ${size} bytes, which some readers skip`);
  }
  return {
    type,
    path: type === 'directory' ? folderPath(name) : innerPath(name),
    mode: fields.mode,
    uid: numberOf(records, 'uid') ?? fields.uid,
    gid: numberOf(records, 'gid') ?? fields.gid,
    mtime: numberOf(records, 'mtime') ?? fields.mtime,
    size,
    ...(type === 'link' && { target: innerPath(target) }),
    ...(type === 'symlink' && { target }),
    ...(fields.special !== undefined && { special: fields.special }),
    ...(records.attributes.length > 0 && { attributes: records.attributes }),
  };
}

/**
 * Throws `INVALID_LAYER` unless the blocks are exactly what Go's archive/tar, and therefore BuildKit, writes for the
 * entry. That form leaves nothing to a reader's judgment: no fields that contradict PAX records, no bytes after the end
 * of a name, no base-256 numbers, no user names.
 */
export function checkForm(entry: EntryMetadata, blocks: Buffer): void {
  const expected = encodeHeader(entry);
  if (expected.equals(blocks)) return;
  const last = blocks.subarray(-BLOCK);
  const differs = expected
    .subarray(-BLOCK)
    .findIndex((byte, index) => byte !== last[index] && !isChecksum(index));
  const [where] = HEADER_FIELDS.findLast(([, offset]) => differs >= offset) ?? ['PAX records'];
  throw invalid(`${JSON.stringify(entry.path)}: a header whose ${where} readers interpret differently`);
}

const HEADER_FIELDS = [
  ['name', 0],
  ['mode', 100],
  ['uid', 108],
  ['gid', 116],
  ['size', 124],
  ['time', 136],
  ['checksum', 148],
  ['type', 156],
  ['link target', 157],
  ['format', 257],
  ["owner's name", 265],
  ["group's name", 297],
  ['device number', 329],
  ['name prefix', 345],
  ['unused bytes', 500],
] as const;

function isChecksum(offset: number): boolean {
  return offset >= 148 && offset < 156;
}

// Without an iterator, since it runs for each of very many entries.
function checksumOf(block: Buffer): number {
  let sum = 8 * 32;
  for (let index = 0; index < block.length; index++) if (!isChecksum(index)) sum += block[index] ?? 0;
  return sum;
}

function isPaxKey(key: string): key is PaxKey {
  return PAX_KEYS.has(key);
}

function fullName(block: Buffer): string {
  const prefix = block.toString('latin1', 257, 262) === 'ustar' ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

function folderPath(name: string): string {
  if (!name.endsWith('/')) throw invalid(`${JSON.stringify(name)}: a folder without a trailing slash`);
  return innerPath(name.slice(0, -1));
}

function innerPath(name: string): string {
  if (name.startsWith('/')) throw invalid(`${JSON.stringify(name)}: an absolute path`);
  for (const part of name.split('/')) {
    if (part === '..') throw invalid(`${JSON.stringify(name)}: leaves the image's root`);
    if (part === '' || part === '.')
      throw invalid(`${JSON.stringify(name)}: a path with an empty part or "."`);
  }
  if (name.includes('\0')) throw invalid(`${JSON.stringify(name)}: a path with a NUL byte`);
  return name;
}

function numberOf(records: PaxRecords, key: PaxKey): number | undefined {
  const digits = records.values.get(key);
  if (digits === undefined) return undefined;
  if (/^\d{1,15}$/.test(digits)) return Number(digits);
  throw invalid(`PAX record ${key}: expected a whole number, found ${JSON.stringify(digits.slice(0, 40))}`);
}

function text(block: Buffer, offset: number, size: number): string {
  const end = block.subarray(offset, offset + size).indexOf(0);
  return block.toString('utf8', offset, offset + (end < 0 ? size : end));
}

function octal(block: Buffer, offset: number, size: number): number {
  const digits = block.toString('latin1', offset, offset + size).replace(/[\0 ]+$/, '');
  if (/^[0-7]*$/.test(digits)) return digits === '' ? 0 : Number.parseInt(digits, 8);
  throw invalid(`header with a number that is not octal: ${JSON.stringify(digits)}`);
}

function invalid(problem: string): OciError {
  return new OciError('INVALID_LAYER', `layer: ${problem}`);
}
