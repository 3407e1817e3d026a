import { createHash } from 'node:crypto';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { type Digest, digestFromHex } from '../digest.ts';
import { OciError } from '../errors.ts';
import { BlockReader } from '../layer/block-reader.ts';
import { headOf } from '../layer/chunk-head.ts';
import { type Chunks, piped } from '../layer/chunk-pipeline.ts';
import { BLOCK } from '../layer/tar-header.ts';
import { everyFrame } from '../layer/zstd-frame.ts';

/** The type of an entry in a base's layer. Devices and the like are not told apart. */
export type ChangeType = 'file' | 'directory' | 'symlink' | 'link' | 'special';

/** An entry in a base's layer: what it puts at a path, or (a whiteout) removes. */
export interface LayerChange {
  readonly type: ChangeType;
  /** Relative to the image's root, with `/`; empty for the root itself. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970, rounded down. */
  readonly mtime: number;
  readonly size: number;
  /** The target of a symlink, or the path of the file that a hard link refers to. */
  readonly target: string;
  /** Whether it has extended attributes. */
  readonly attributes: boolean;
  /** The content of a requested file. */
  readonly content: Buffer | undefined;
}

/** The limits and checks for reading a base's layer. */
export interface ChangesOptions {
  /** The digest that the tar must have. */
  readonly diffId: Digest;
  /** The maximum size of the tar, in bytes. */
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** The maximum total of characters in all paths and link targets. */
  readonly maxNames: number;
  /** The files to return the content of, except for those larger than `maxContent` bytes. */
  readonly contents: ReadonlySet<string>;
  readonly maxContent: number;
}

const TYPES: Readonly<Record<string, ChangeType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'special',
  '4': 'special',
  '5': 'directory',
  '6': 'special',
  '7': 'file',
  S: 'file',
};
const OUTPUT_CHUNK = 256 * 1024;
/** For what comes before an entry: PAX records, or a GNU tar name. */
const MAX_EXTENSION_BYTES = 1024 * 1024;
/** Linux has no longer paths; following a path takes time proportional to the square of its length. */
const MAX_PATH = 4096;

/**
 * Reads the changes that a base's layer makes, in order, the way common unpackers take them: other people's tools write
 * other forms of tar than this project does. It reports where files are and who owns them; only the digest, which is
 * checked at the end, vouches for their contents. Throws `INVALID_LAYER` for damaged data and paths that leave the
 * root, `LAYER_LIMIT` if a limit is exceeded, and `DIGEST_MISMATCH` if the tar does not match `diffId`.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md
 */
export async function* readLayerChanges(
  source: Chunks,
  options: ChangesOptions,
): AsyncGenerator<LayerChange> {
  const hash = createHash('sha256');
  const reader = new BlockReader(metered(unpacked(source), options.maxBytes, hash));
  let [entries, names] = [0, 0];
  for await (const change of readChanges(reader, options)) {
    entries += 1;
    names += change.path.length + change.target.length;
    if (entries > options.maxEntries) throw exceeded(`${options.maxEntries} entries`);
    if (names > options.maxNames) throw exceeded(`${options.maxNames} characters of paths`);
    yield change;
  }
  await reader.drain();
  const diffId = digestFromHex(hash.digest('hex'));
  if (diffId !== options.diffId) {
    throw new OciError('DIGEST_MISMATCH', `layer: expected the diffID ${options.diffId}, found ${diffId}`);
  }
}

/** The error for a tar that exceeds a limit. */
export function exceeded(limit: string): OciError {
  return new OciError('LAYER_LIMIT', `layer: expected at most ${limit}, found more`);
}

/** Reads the entries of a tar without checking its size or digest. Throws `INVALID_LAYER` for damaged data. */
export async function* readChanges(
  reader: BlockReader,
  options: Pick<ChangesOptions, 'contents' | 'maxContent'>,
): AsyncGenerator<LayerChange> {
  const shared = new Map<string, string>();
  let own = new Map<string, string>();
  for (let block = await reader.take(BLOCK); block !== undefined; block = await reader.take(BLOCK)) {
    if (block.every((byte) => byte === 0)) return;
    checkSum(block);
    const flag = block.toString('latin1', 156, 157);
    const size = numberOf(own, 'size') ?? number(block, 124, 12);
    if (!Number.isSafeInteger(size) || size < 0) throw invalid(`entry of ${size} bytes`);
    if ('xgLK'.includes(flag)) {
      const text = await takeText(reader, size);
      if (flag === 'L') own.set('path', untilNul(text));
      else if (flag === 'K') own.set('linkpath', untilNul(text));
      else for (const [key, value] of recordsOf(text)) (flag === 'g' ? shared : own).set(key, value);
      continue;
    }
    const records = new Map([...shared, ...own]);
    own = new Map();
    const type = TYPES[flag] ?? 'file';
    const bytes = type === 'file' ? size : 0;
    const name = records.get('GNU.sparse.name') ?? records.get('path') ?? fullName(block);
    const path = innerPath(name);
    // GNU's old sparse files continue their map after the header; here it counts as content.
    if (flag === 'S' && block[482] === 1) await skipSparseMap(reader);
    const wanted = type === 'file' && options.contents.has(path) && bytes <= options.maxContent;
    const content = wanted ? ((await reader.take(bytes)) ?? Buffer.alloc(0)) : undefined;
    if (content === undefined) await reader.skip(bytes);
    await reader.skip((BLOCK - (bytes % BLOCK)) % BLOCK);
    yield {
      // In the pre-POSIX format, a folder is a file whose name ends in a slash.
      type: type === 'file' && flag === '\0' && name.endsWith('/') ? 'directory' : type,
      path,
      mode: number(block, 100, 8) & 0o7777,
      uid: numberOf(records, 'uid') ?? number(block, 108, 8),
      gid: numberOf(records, 'gid') ?? number(block, 116, 8),
      mtime: Math.floor(numberOf(records, 'mtime') ?? number(block, 136, 12)),
      size: bytes,
      target: targetOf(type, records.get('linkpath') ?? text(block, 157, 100)),
      attributes: [...records.keys()].some((key) => /^(SCHILY|LIBARCHIVE)\.(xattr|acl)\./.test(key)),
      content,
    };
  }
}

async function takeText(reader: BlockReader, size: number): Promise<Buffer> {
  if (size > MAX_EXTENSION_BYTES) {
    throw new OciError(
      'LAYER_LIMIT',
      `layer: expected at most ${MAX_EXTENSION_BYTES} bytes before an entry, found ${size}`,
    );
  }
  const text = await reader.take(size);
  await reader.skip((BLOCK - (size % BLOCK)) % BLOCK);
  return text ?? Buffer.alloc(0);
}

async function skipSparseMap(reader: BlockReader): Promise<void> {
  for (let block = await reader.take(BLOCK); block !== undefined; block = await reader.take(BLOCK)) {
    if (block[504] !== 1) return;
  }
}

// Detects the compression by the first bytes, as unpackers do: a base's media types can't be relied on.
async function* unpacked(source: Chunks): AsyncGenerator<Buffer> {
  const { head, chunks } = await headOf(source, 4);
  const magic = head.toString('hex');
  try {
    if (magic.startsWith('1f8b')) yield* piped(chunks, createGunzip({ chunkSize: OUTPUT_CHUNK }));
    else if (magic === '28b52ffd' || /^5.2a4d18$/.test(magic))
      yield* piped(everyFrame(chunks), createZstdDecompress({ chunkSize: OUTPUT_CHUNK }));
    else yield* chunks;
  } catch (cause) {
    if (cause instanceof OciError || !String((cause as NodeJS.ErrnoException).code).startsWith('Z'))
      throw cause;
    throw new OciError('INVALID_LAYER', `layer: can't be decompressed: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function* metered(
  source: AsyncIterable<Buffer>,
  maxBytes: number,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new OciError('LAYER_LIMIT', `layer: expected at most ${maxBytes} bytes of tar, found more`);
    hash.update(chunk);
    yield chunk;
  }
}

function recordsOf(data: Buffer): readonly (readonly [string, string])[] {
  const records: (readonly [string, string])[] = [];
  for (let offset = 0; offset < data.length; ) {
    const space = data.indexOf(' ', offset);
    const digits = space < 0 || space - offset > 9 ? '' : data.toString('latin1', offset, space);
    const end = offset + Number(digits);
    const equals = data.indexOf('=', space);
    if (!/^[1-9]\d*$/.test(digits) || end > data.length || equals < 0 || equals >= end)
      throw invalid('PAX records that are not of the form "length key=value"');
    records.push([data.toString('utf8', space + 1, equals), data.toString('utf8', equals + 1, end - 1)]);
    offset = end;
  }
  return records;
}

function checkSum(block: Buffer): void {
  let sum = 8 * 32;
  for (const [index, byte] of block.entries()) if (index < 148 || index >= 156) sum += byte;
  const expected = number(block, 148, 8);
  if (sum !== expected) throw invalid(`header with the checksum ${expected}, found ${sum}`);
}

function fullName(block: Buffer): string {
  const posix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = posix ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

function innerPath(name: string): string {
  checkLength(name);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || name.includes('\0'))
    throw invalid(`${JSON.stringify(name)}: leaves the image's root`);
  return parts.join('/');
}

function targetOf(type: ChangeType, target: string): string {
  checkLength(target);
  return type === 'link' ? innerPath(target) : target;
}

function checkLength(path: string): void {
  if (path.length > MAX_PATH)
    throw invalid(`${JSON.stringify(path.slice(0, 80))}: expected a path of at most ${MAX_PATH} characters`);
}

function numberOf(records: ReadonlyMap<string, string>, key: string): number | undefined {
  const digits = records.get(key);
  if (digits === undefined) return undefined;
  if (/^-?\d{1,15}(\.\d*)?$/.test(digits)) return Number(digits);
  throw invalid(`PAX record ${key}: expected a number, found ${JSON.stringify(digits.slice(0, 40))}`);
}

function untilNul(data: Buffer): string {
  const end = data.indexOf(0);
  return data.toString('utf8', 0, end < 0 ? data.length : end);
}

function text(block: Buffer, offset: number, size: number): string {
  return untilNul(block.subarray(offset, offset + size));
}

// Octal digits or, in GNU's form, a base-256 number with its first bit set.
function number(block: Buffer, offset: number, size: number): number {
  const first = block[offset] ?? 0;
  if ((first & 0x80) !== 0) {
    const negative = (first & 0x40) !== 0;
    let value = negative ? -1n : 0n;
    for (const [index, byte] of block.subarray(offset, offset + size).entries())
      value = (value << 8n) | BigInt(index === 0 && !negative ? byte & 0x7f : byte);
    const found = Number(BigInt.asIntN(64, value));
    if (Number.isSafeInteger(found)) return found;
    throw invalid('header with a number that is out of range');
  }
  const digits = block
    .toString('latin1', offset, offset + size)
    .replace(/[\0 ]+$/, '')
    .trimStart();
  if (/^[0-7]*$/.test(digits)) return digits === '' ? 0 : Number.parseInt(digits, 8);
  throw invalid(`header with a number that is not octal: ${JSON.stringify(digits)}`);
}

function invalid(problem: string): OciError {
  return new OciError('INVALID_LAYER', `layer: ${problem}`);
}
