import { createHash } from 'node:crypto';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Compression } from '../descriptor.ts';
import { type Digest, digestFromHex } from '../digest.ts';
import { OciError } from '../errors.ts';
import { BlockReader } from './block-reader.ts';
import { type Chunks, piped } from './chunk-pipeline.ts';
import { decodeHeader, decodePaxRecords, type RawHeader } from './tar-decoder.ts';
import { BLOCK, type EntryMetadata } from './tar-header.ts';

/** An entry of a layer that was read. The path is normalised and stays inside the image's root. */
export interface ReadEntry extends EntryMetadata {
  /** The SHA-256 of a file's content in hexadecimal; undefined for anything but a file. */
  readonly sha256: string | undefined;
}

/** What reading a layer is held to. */
export interface ReadLayerOptions {
  readonly compression: Compression;
  /** The digest that the tar must have; the last entry is followed by an error where it has not. */
  readonly diffId?: Digest | undefined;
  /** The largest tar, in bytes, that is read on; 16 GiB unless told. */
  readonly maxBytes?: number | undefined;
  /** Gets the content of files as it is read; the chunk's memory is used anew after that. */
  readonly onContent?: ((path: string, chunk: Buffer) => void | Promise<void>) | undefined;
}

const DEFAULT_LIMIT = 16 * 1024 ** 3;
const RECORDS_LIMIT = 1024 * 1024;

/**
 * Reads the entries of a layer, in order, hashing the content of files as it passes: nothing is written, and no more
 * than a few chunks are held; of those of the source, none once the next is asked for. Throws `INVALID_LAYER` for
 * damaged or truncated data, for a path that is absolute or leaves the image's root, for an entry that is neither file,
 * folder nor link, and for more than `maxBytes`; `DIGEST_MISMATCH` where the tar is another than `diffId` names.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md
 */
export async function* readLayer(source: Chunks, options: ReadLayerOptions): AsyncGenerator<ReadEntry> {
  const hash = createHash('sha256');
  const reader = new BlockReader(limited(decompressed(source, options.compression), options, hash));
  let records: ReadonlyMap<string, string> = new Map();
  for (;;) {
    const block = await reader.take(BLOCK);
    if (block === undefined)
      throw new OciError('INVALID_LAYER', 'layer: ends without the end of the archive');
    if (block.every((byte) => byte === 0)) break;
    const header = decodeHeader(block);
    if (header.flag === 'x' || header.flag === 'g') {
      if (header.size > RECORDS_LIMIT) {
        throw new OciError('INVALID_LAYER', `layer: ${header.size} bytes of PAX records, more than allowed`);
      }
      const data = await reader.take(header.size);
      if (data === undefined) throw new OciError('INVALID_LAYER', 'layer: truncated in PAX records');
      await reader.skip((BLOCK - (header.size % BLOCK)) % BLOCK);
      if (header.flag === 'x') records = decodePaxRecords(data);
      continue;
    }
    const entry = entryOf(header, records);
    records = new Map();
    yield { ...entry, sha256: entry.type === 'file' ? await hashContent(reader, entry, options) : undefined };
  }
  await reader.drain();
  const diffId = digestFromHex(hash.digest('hex'));
  if (options.diffId !== undefined && options.diffId !== diffId) {
    throw new OciError('DIGEST_MISMATCH', `layer: expected the diffID ${options.diffId}, found ${diffId}`);
  }
}

async function hashContent(
  reader: BlockReader,
  entry: EntryMetadata,
  { onContent }: ReadLayerOptions,
): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of reader.stream(entry.size)) {
    hash.update(chunk);
    await onContent?.(entry.path, chunk);
  }
  await reader.skip((BLOCK - (entry.size % BLOCK)) % BLOCK);
  return hash.digest('hex');
}

const TYPES: Readonly<Record<string, EntryMetadata['type']>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
};

function entryOf(header: RawHeader, records: ReadonlyMap<string, string>): EntryMetadata {
  const name = records.get('path') ?? header.name;
  const type = TYPES[header.flag];
  if (type === undefined) {
    throw new OciError(
      'INVALID_LAYER',
      `layer: ${JSON.stringify(name)}: expected a file, folder or link, found type ${JSON.stringify(header.flag)}`,
    );
  }
  const target = records.get('linkpath') ?? header.target;
  return {
    type,
    path: innerPath(name),
    mode: header.mode & 0o7777,
    uid: numberOf(records, 'uid') ?? header.uid,
    gid: numberOf(records, 'gid') ?? header.gid,
    mtime: numberOf(records, 'mtime') ?? header.mtime,
    size: type === 'file' ? (numberOf(records, 'size') ?? header.size) : 0,
    ...(type === 'link' && { target: innerPath(target) }),
    ...(type === 'symlink' && { target }),
  };
}

function innerPath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0')) {
    throw new OciError('INVALID_LAYER', `layer: ${JSON.stringify(name)}: leaves the image's root`);
  }
  return parts.join('/');
}

function numberOf(records: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = records.get(key);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}(\.\d+)?$/.test(text)) {
    throw new OciError(
      'INVALID_LAYER',
      `layer: PAX record ${key}: expected a number, found ${JSON.stringify(text.slice(0, 40))}`,
    );
  }
  return Math.floor(Number(text));
}

async function* decompressed(source: Chunks, compression: Compression): AsyncGenerator<Buffer> {
  if (compression === 'none') {
    for await (const chunk of source) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    return;
  }
  const chunkSize = 256 * 1024;
  try {
    yield* piped(
      source,
      compression === 'gzip' ? createGunzip({ chunkSize }) : createZstdDecompress({ chunkSize }),
    );
  } catch (cause) {
    if (cause instanceof OciError || !String((cause as NodeJS.ErrnoException).code).startsWith('Z'))
      throw cause;
    throw new OciError('INVALID_LAYER', `layer: can't be decompressed: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function* limited(
  source: AsyncIterable<Buffer>,
  { maxBytes = DEFAULT_LIMIT }: ReadLayerOptions,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  let total = 0;
  for await (const chunk of source) {
    total += chunk.length;
    if (total > maxBytes) {
      throw new OciError('INVALID_LAYER', `layer: expected at most ${maxBytes} bytes of tar, found more`);
    }
    hash.update(chunk);
    yield chunk;
  }
}
