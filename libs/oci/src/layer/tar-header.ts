import { OciError } from '../errors.ts';
import { compareBytes } from '../layout/go-json.ts';

/** The types of entries: `special` is a device or a FIFO, which this project never writes to a layer. */
export type EntryType = 'file' | 'directory' | 'link' | 'symlink' | 'special';

/** A special file: its type flag in a tar header (3 and 4: a device, 6: a FIFO), and a device's numbers. */
export interface SpecialFile {
  readonly flag: '3' | '4' | '6';
  readonly major: number;
  readonly minor: number;
}

/** An extended attribute. */
export interface Attribute {
  readonly name: string;
  readonly value: Uint8Array;
}

/** The metadata of a layer entry. */
export interface EntryMetadata {
  readonly type: EntryType;
  /** Relative to the image's root, with `/`, without a leading or trailing slash. */
  readonly path: string;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Bytes; 0 for anything but a file. */
  readonly size: number;
  /** The target of a link: for a hard link, the path of an earlier entry. */
  readonly target?: string | undefined;
  readonly special?: SpecialFile | undefined;
  /** Extended attributes, which this project never writes to a layer. */
  readonly attributes?: readonly Attribute[] | undefined;
}

/** The prefix of an extended attribute's name in the key of its PAX record. */
export const ATTRIBUTE_KEY = 'SCHILY.xattr.';

/** The size of a tar block in bytes. */
export const BLOCK = 512;

const NAME_SIZE = 100;
const PREFIX_SIZE = 155;
const TYPE_FLAGS: Readonly<Record<Exclude<EntryType, 'special'>, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  directory: '5',
};

/**
 * The header blocks of an entry as Go's archive/tar writes them: USTAR, with PAX records only for what USTAR can't
 * represent (names that are not ASCII or too long, large numbers, extended attributes).
 * https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13
 */
export function encodeHeader(entry: EntryMetadata): Buffer {
  const name = entry.type === 'directory' ? `${entry.path}/` : entry.path;
  const target = entry.target ?? '';
  if (name.includes('\0') || target.includes('\0')) {
    throw new OciError('INVALID_LAYER', `layer: ${JSON.stringify(name)}: a path can't contain a NUL byte`);
  }
  const split = splitPath(name);
  const records: Record<string, string | Uint8Array> = {};
  if (!fits(name, NAME_SIZE)) records.path = name;
  if (!fits(target, NAME_SIZE)) records.linkpath = target;
  for (const [key, value, width] of [
    ['uid', entry.uid, 8],
    ['gid', entry.gid, 8],
    ['size', entry.size, 12],
    ['mtime', entry.mtime, 12],
  ] as const) {
    if (value >= 8 ** (width - 1) || value < 0) records[key] = String(value);
  }
  for (const attribute of entry.attributes ?? []) records[ATTRIBUTE_KEY + attribute.name] = attribute.value;
  const keys = Object.keys(records).sort(compareBytes);
  const splitWillDo = split !== undefined && keys.length === 1;
  if (keys.length === 0 || splitWillDo) {
    return headerBlock({ ...entry, target, name: split?.name ?? name, prefix: split?.prefix ?? '' });
  }
  const data = Buffer.concat(keys.map((key) => paxRecord(key, records[key] ?? '')));
  return Buffer.concat([
    paxHeaderBlock(name, data.length),
    padded(data),
    headerBlock({ ...entry, target: toAscii(target), name: toAscii(name), prefix: '' }),
  ]);
}

/** The zeros between the end of a file's content and the next block. */
export function paddingAfter(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The size in bytes of a tar of these entries. */
export function tarSize(entries: readonly EntryMetadata[]): number {
  return entries.reduce(
    (total, entry) => total + encodeHeader(entry).length + entry.size + paddingAfter(entry.size).length,
    2 * BLOCK,
  );
}

interface HeaderFields extends EntryMetadata {
  readonly name: string;
  readonly prefix: string;
  readonly target: string;
}

function headerBlock(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  writeText(block, fields.name, 0, NAME_SIZE);
  writeOctal(block, fields.mode, 100, 8);
  writeOctal(block, fields.uid, 108, 8);
  writeOctal(block, fields.gid, 116, 8);
  writeOctal(block, fields.size, 124, 12);
  writeOctal(block, fields.mtime, 136, 12);
  const { special = { flag: '0', major: 0, minor: 0 } } = fields;
  block.write(fields.type === 'special' ? special.flag : TYPE_FLAGS[fields.type], 156, 'ascii');
  writeText(block, fields.target, 157, NAME_SIZE);
  block.write('ustar\x0000', 257, 'ascii');
  writeOctal(block, special.major, 329, 8);
  writeOctal(block, special.minor, 337, 8);
  writeText(block, fields.prefix, 345, PREFIX_SIZE);
  return withChecksum(block);
}

function paxHeaderBlock(name: string, size: number): Buffer {
  const slash = name.lastIndexOf('/', name.length - 1);
  const folder = name.slice(0, slash + 1);
  const joined = `${folder}PaxHeaders.0/${name.slice(slash + 1)}`;
  const block = Buffer.alloc(BLOCK);
  writeText(block, toAscii(joined).slice(0, NAME_SIZE).replace(/\/+$/, ''), 0, NAME_SIZE);
  for (const [value, offset, width] of [
    [0, 100, 8],
    [0, 108, 8],
    [0, 116, 8],
    [size, 124, 12],
    [0, 136, 12],
  ] as const) {
    writeOctal(block, value, offset, width);
  }
  block.write('x', 156, 'ascii');
  block.write('ustar\x0000', 257, 'ascii');
  return withChecksum(block);
}

function withChecksum(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  return block;
}

// The length includes its own digits.
function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as Uint8Array);
  const rest = Buffer.byteLength(` ${key}=\n`) + bytes.length;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), bytes, Buffer.from('\n')]);
}

function splitPath(name: string): { readonly prefix: string; readonly name: string } | undefined {
  if (name.length <= NAME_SIZE || !isAscii(name)) return undefined;
  let end = name.length;
  if (end > PREFIX_SIZE + 1) end = PREFIX_SIZE + 1;
  else if (name.endsWith('/')) end--;
  const slash = name.slice(0, end).lastIndexOf('/');
  const rest = name.length - slash - 1;
  if (slash <= 0 || rest > NAME_SIZE || rest === 0 || slash > PREFIX_SIZE) return undefined;
  return { prefix: name.slice(0, slash), name: name.slice(slash + 1) };
}

function fits(text: string, size: number): boolean {
  return isAscii(text) && text.length <= size;
}

function isAscii(text: string): boolean {
  return toAscii(text) === text;
}

function toAscii(text: string): string {
  return text.replace(/\P{ASCII}/gu, '');
}

// A truncated name must not end in a slash: old readers would take the entry for a folder.
function writeText(block: Buffer, text: string, offset: number, size: number): void {
  const cut = text.length > size ? text.slice(0, size).replace(/\/+$/, '') : text;
  block.write(cut, offset, 'latin1');
}

function writeOctal(block: Buffer, value: number, offset: number, width: number): void {
  const written = value >= 8 ** (width - 1) || value < 0 ? 0 : value;
  block.write(`${written.toString(8).padStart(width - 1, '0')}\0`, offset, 'ascii');
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, paddingAfter(data.length)]);
}
