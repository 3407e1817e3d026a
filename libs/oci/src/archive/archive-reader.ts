import { createHash } from 'node:crypto';
import { OciError } from '../errors.ts';
import { BlockReader } from '../layer/block-reader.ts';
import { headOf } from '../layer/chunk-head.ts';
import type { Chunks } from '../layer/chunk-pipeline.ts';
import { decompressed } from '../layer/decompression.ts';
import { decodePaxRecords, type PaxRecords } from '../layer/tar-decoder.ts';
import { BLOCK } from '../layer/tar-header.ts';
import { type ArchiveEntry, type ArchiveLimits, MAX_ARCHIVE } from './archive-entry.ts';
import {
  type ArchiveHeader,
  archiveText,
  decodeArchiveHeader,
  invalid,
  isArchiveHeader,
} from './archive-header.ts';
import { ArchiveTree, archivePath } from './archive-tree.ts';

/** The result of reading a possible archive. */
export type ArchiveReading =
  | { readonly kind: 'entries'; readonly entries: readonly ArchiveEntry[] }
  /** Something else, which unpackers copy as it is. */
  | { readonly kind: 'file' }
  /** An archive that is not supported here, and why: `compressed with xz`, … */
  | { readonly kind: 'foreign'; readonly because: string };

/** Options for reading an archive. */
export interface ReadArchiveOptions {
  /** Defaults to `MAX_ARCHIVE`. */
  readonly limits?: ArchiveLimits | undefined;
  /**
   * Receives the content of each file, and reads it either to the end or not at all; a chunk is invalid once the next
   * one is requested.
   */
  readonly onFile?:
    | ((path: string, size: number, content: AsyncIterable<Buffer>) => Promise<void>)
    | undefined;
}

/** The first bytes by which BuildKit recognizes them. */
const MAGICS = [
  ['1f8b08', 'gzip'],
  ['28b52ffd', 'zstd'],
  ['425a68', 'bzip2'],
  ['fd377a585a00', 'xz'],
] as const;
const SKIPPABLE_FRAME = /^5.2a4d18/;
const MAGIC_BYTES = 10;
/** For what comes before an entry: PAX records or long names. */
const MAX_EXTENSION_BYTES = 16 * 1024;
const MAX_ID = 2 ** 31 - 1;
/** The end of the year 9999. */
const MAX_TIME = 253_402_300_799;

/** What tar programs record about a file's origin, and no unpacker puts into an image. */
const PASSED_OVER: ReadonlySet<string> = new Set([
  'atime',
  'ctime',
  'uname',
  'gname',
  'comment',
  'SCHILY.dev',
  'SCHILY.ino',
  'SCHILY.nlink',
  'LIBARCHIVE.creationtime',
]);

/**
 * Reads an archive the way BuildKit unpacks it: a POSIX or GNU tar, plain or in one gzip member or one zstd frame. File
 * content is hashed as it passes; nothing is written. Since these archives come from other people's tools, more forms
 * are accepted than in a layer, but none that two unpackers turn into different files. Throws `INVALID_ARCHIVE` for
 * anything damaged or refused, `ARCHIVE_LIMIT` if a limit is exceeded, and whatever the source throws. The caller
 * closes the source.
 * https://docs.docker.com/reference/dockerfile/#adding-local-tar-archives
 */
export async function readArchive(source: Chunks, options: ReadArchiveOptions = {}): Promise<ArchiveReading> {
  const { head, chunks } = await headOf(source, MAGIC_BYTES);
  const magic = head.toString('hex');
  if (SKIPPABLE_FRAME.test(magic)) throw invalid('zstd: a skippable frame, which readers handle differently');
  const compression = MAGICS.find(([start]) => magic.startsWith(start))?.[1] ?? 'none';
  if (compression === 'bzip2' || compression === 'xz') {
    return { kind: 'foreign', because: `compressed with ${compression}` };
  }
  const limits = options.limits ?? MAX_ARCHIVE;
  const tar = limited(decompressed(chunks, compression, 'skipped'), limits.bytes);
  try {
    const reader = new BlockReader(tar);
    const first = await reader.takeUpTo(BLOCK);
    if (!isArchiveHeader(first)) return { kind: 'file' };
    return await new ArchiveReader(reader, limits, options.onFile).read(first);
  } catch (error) {
    // The parts shared with the layer reader report problems as those of a layer.
    if (error instanceof OciError && error.code === 'INVALID_LAYER') {
      throw invalid(error.message.replace(/^layer: /, ''));
    }
    throw error;
  } finally {
    await tar.return(undefined);
  }
}

type EntryHeader = Extract<ArchiveHeader, { readonly kind: 'entry' }>;
type ExtensionHeader = Exclude<ArchiveHeader, { readonly kind: 'entry' | 'special' }>;

/** What came before an entry. */
interface Extensions {
  records?: PaxRecords;
  name?: string;
  target?: string;
}

class ArchiveReader {
  readonly #reader: BlockReader;
  readonly #limits: ArchiveLimits;
  readonly #onFile: ReadArchiveOptions['onFile'];
  readonly #tree = new ArchiveTree();
  readonly #entries: ArchiveEntry[] = [];
  #headers = 0;
  #names = 0;

  constructor(reader: BlockReader, limits: ArchiveLimits, onFile: ReadArchiveOptions['onFile']) {
    this.#reader = reader;
    this.#limits = limits;
    this.#onFile = onFile;
  }

  async read(first: Buffer): Promise<ArchiveReading> {
    let own: Extensions = {};
    for (let block = first; !isZero(block); block = await this.#take(BLOCK)) {
      const header = decodeArchiveHeader(block);
      this.#headers += 1;
      if (this.#headers > 3 * this.#limits.entries) throw exceeded(`${this.#limits.entries} entries`);
      if (header.kind === 'special') {
        return {
          kind: 'foreign',
          because: `with a device or FIFO (${JSON.stringify(header.name.slice(0, 200))})`,
        };
      }
      if (header.kind === 'entry') {
        await this.#addEntry(header, own);
        own = {};
      } else await this.#extend(header, own);
    }
    if (Object.keys(own).length > 0) throw invalid('a name or records without an entry');
    await this.#checkEnd();
    return { kind: 'entries', entries: this.#entries };
  }

  async #addEntry(
    header: EntryHeader,
    { records, name: longName, target: longTarget }: Extensions,
  ): Promise<void> {
    const { type } = header;
    const name = records?.values.get('path') ?? longName ?? header.name;
    const target = records?.values.get('linkpath') ?? longTarget ?? header.target;
    const isLink = type === 'link' || type === 'symlink';
    if (isLink !== (target !== '')) {
      throw invalid(`${JSON.stringify(name)}: a ${type} with ${target === '' ? 'no' : 'a'} target`);
    }
    const path = archivePath(name, type === 'directory');
    this.#names += name.length + target.length;
    if (this.#names > this.#limits.names) throw exceeded(`${this.#limits.names} characters of names`);
    const size = within(numberOf(records, 'size') ?? header.size, Number.MAX_SAFE_INTEGER, name);
    if (type !== 'file' && size !== 0) throw invalid(`${JSON.stringify(name)}: a ${type} with ${size} bytes`);
    const entry: ArchiveEntry = {
      type,
      path,
      // Symlinks have no mode of their own.
      mode: type === 'symlink' ? 0o777 : header.mode,
      uid: within(numberOf(records, 'uid') ?? header.uid, MAX_ID, name),
      gid: within(numberOf(records, 'gid') ?? header.gid, MAX_ID, name),
      mtime: within(timeOf(records) ?? header.mtime, MAX_TIME, name),
      size,
      ...(type === 'symlink' && { target }),
      ...(type === 'link' && { target: archivePath(target, false) }),
    };
    // The destination folder itself stays as it is.
    if (path === '') return;
    if (this.#entries.length === this.#limits.entries) throw exceeded(`${this.#limits.entries} entries`);
    this.#tree.add(entry);
    this.#entries.push(type === 'file' ? { ...entry, sha256: await this.#readContent(entry) } : entry);
  }

  async #readContent({ path, size }: ArchiveEntry): Promise<string> {
    const hash = createHash('sha256');
    const content = hashed(this.#reader.stream(size), hash);
    await this.#onFile?.(path, size, content);
    for await (const _ of content);
    await this.#takePadding(size);
    return hash.digest('hex');
  }

  async #extend({ kind, size }: ExtensionHeader, own: Extensions): Promise<void> {
    if (size > MAX_EXTENSION_BYTES) {
      throw exceeded(`${MAX_EXTENSION_BYTES} bytes of names and records before an entry`);
    }
    const data = await this.#take(size);
    await this.#takePadding(size);
    if (kind === 'global') {
      // Some readers apply these to all entries that follow; git archive writes the commit as a comment.
      const { values } = decodePaxRecords(data, 'files', PASSED_OVER);
      if (values.size > 0) throw invalid(`a global PAX header with ${[...values.keys()].join(', ')}`);
      if (Object.keys(own).length > 0) throw invalid('a global PAX header after the records of an entry');
      return;
    }
    const isPax = kind === 'records';
    const field = isPax ? 'records' : kind === 'long name' ? 'name' : 'target';
    if (
      own[field] !== undefined ||
      (isPax && Object.keys(own).length > 0) ||
      (!isPax && own.records !== undefined)
    ) {
      throw invalid('two names for one entry: readers may take either');
    }
    if (isPax) {
      own.records = checkedRecords(decodePaxRecords(data, 'files', PASSED_OVER));
      return;
    }
    const text = archiveText(untilNul(data));
    // Some readers take the header's name or target instead.
    if (text === '') throw invalid(`a ${kind} that is empty`);
    own[kind === 'long name' ? 'name' : 'target'] = text;
  }

  /** Two blocks of zeros end an archive, and programs pad it with more; some readers continue after them. */
  async #checkEnd(): Promise<void> {
    if (!isZero(await this.#take(BLOCK)))
      throw invalid('one block of zeros with more after it, expected two');
    for (let rest = await this.#reader.takeUpTo(BLOCK); rest.length > 0; ) {
      if (!isZero(rest)) throw invalid('bytes after the end of the archive, expected none');
      rest = await this.#reader.takeUpTo(BLOCK);
    }
  }

  async #takePadding(size: number): Promise<void> {
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (padding > 0 && !isZero(await this.#take(padding))) {
      throw invalid('bytes between the end of a file and the next block');
    }
  }

  async #take(size: number): Promise<Buffer> {
    if (size === 0) return Buffer.alloc(0);
    const taken = await this.#reader.takeUpTo(size);
    if (taken.length < size) throw invalid('ends before the end of the archive');
    return taken;
  }
}

function checkedRecords(records: PaxRecords): PaxRecords {
  for (const value of records.values.values()) archiveText(Buffer.from(value));
  return records;
}

function numberOf(records: PaxRecords | undefined, key: 'size' | 'uid' | 'gid'): number | undefined {
  const digits = records?.values.get(key);
  if (digits === undefined) return undefined;
  if (/^\d{1,15}$/.test(digits)) return Number(digits);
  throw invalid(`PAX record ${key}: expected a whole number, found ${JSON.stringify(digits.slice(0, 40))}`);
}

function timeOf(records: PaxRecords | undefined): number | undefined {
  const text = records?.values.get('mtime');
  if (text === undefined) return undefined;
  const seconds = /^(\d{1,12})(?:\.\d{1,20})?$/.exec(text)?.[1];
  if (seconds !== undefined) return Number(seconds);
  throw invalid(`PAX record mtime: expected a time since 1970, found ${JSON.stringify(text.slice(0, 40))}`);
}

function within(found: number, most: number, name: string): number {
  if (found <= most) return found;
  throw invalid(`${JSON.stringify(name)}: expected numbers up to ${most}, found ${found}`);
}

function untilNul(data: Buffer): Buffer {
  const end = data.indexOf(0);
  return end < 0 ? data : data.subarray(0, end);
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

async function* hashed(
  source: AsyncIterable<Buffer>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

async function* limited(source: AsyncIterable<Buffer>, most: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > most) throw exceeded(`${most} bytes of tar`);
    yield chunk;
  }
}

function exceeded(limit: string): OciError {
  return new OciError('ARCHIVE_LIMIT', `archive: expected at most ${limit}, found more`);
}
