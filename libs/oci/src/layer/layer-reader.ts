import { createHash } from 'node:crypto';
import type { Compression } from '../descriptor.ts';
import { type Digest, digestFromHex } from '../digest.ts';
import { OciError } from '../errors.ts';
import { BlockReader } from './block-reader.ts';
import type { Chunks } from './chunk-pipeline.ts';
import { decompressed } from './decompression.ts';
import { EntryOrder } from './entry-order.ts';
import { type LayerLimits, LayerMeter, MAX_LAYER } from './layer-limits.ts';
import { checkForm, decodeHeader, decodePaxRecords, entryOf, type LayerContents } from './tar-decoder.ts';
import { BLOCK, type EntryMetadata } from './tar-header.ts';

/** A layer entry as read; a layer of `files` with extended attributes is refused. */
export interface ReadEntry extends Omit<EntryMetadata, 'attributes'> {
  /** The SHA-256 of a file's content in hexadecimal; undefined for anything but a file. */
  readonly sha256: string | undefined;
  /** Present if it has extended attributes. */
  readonly hasAttributes?: true;
}

/** The checks and limits for reading a layer. */
export interface ReadLayerOptions {
  readonly compression: Compression;
  /** The digest that the tar must have; if it differs, an error follows the last entry. */
  readonly diffId?: Digest | undefined;
  /** How much is read. Defaults to `MAX_LAYER`. */
  readonly limits?: LayerLimits | undefined;
  /** What it may contain. Defaults to `files`. */
  readonly contents?: LayerContents | undefined;
}

/**
 * Reads the entries of a layer in order, hashing the content of files as it passes: nothing is written, and at most a
 * few chunks are held in memory; a chunk of the source is no longer used once the next one is requested. Accepts what
 * BuildKit and `writeLayer` write and every unpacker reads alike, and nothing else. Throws `INVALID_LAYER`, naming what
 * was found, for damaged or truncated data, more than one compressed stream, anything after the end of the tar, and
 * what `decodeHeader`, `decodePaxRecords`, `entryOf`, `checkForm` and `EntryOrder` refuse; `LAYER_LIMIT` if a limit is
 * exceeded; `DIGEST_MISMATCH` if the tar does not match `diffId`.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md
 */
export async function* readLayer(source: Chunks, options: ReadLayerOptions): AsyncGenerator<ReadEntry> {
  const hash = createHash('sha256');
  const meter = new LayerMeter(options.limits ?? MAX_LAYER);
  const reader = new BlockReader(metered(decompressed(source, options.compression), meter, hash));
  const order = new EntryOrder(options.contents);
  const next = () => readEntry(reader, options.contents);
  for (let entry = await next(); entry !== undefined; entry = await next()) {
    meter.addEntry(entry);
    order.add(entry);
    const { attributes, ...plain } = entry;
    const sha256 = entry.type === 'file' ? await hashContent(reader, entry.size) : undefined;
    yield { ...plain, sha256, ...(attributes !== undefined && { hasAttributes: true }) };
  }
  await checkEnd(reader);
  const diffId = digestFromHex(hash.digest('hex'));
  if (options.diffId !== undefined && options.diffId !== diffId) {
    throw new OciError('DIGEST_MISMATCH', `layer: expected the diffID ${options.diffId}, found ${diffId}`);
  }
}

/** The next entry, before its content; undefined after the first block of the end of the archive. */
async function readEntry(
  reader: BlockReader,
  contents: LayerContents | undefined,
): Promise<EntryMetadata | undefined> {
  const block = await takeBlocks(reader, BLOCK);
  if (isZero(block)) return undefined;
  const header = decodeHeader(block, contents);
  if (header.kind === 'entry') {
    const entry = entryOf(header.fields);
    checkForm(entry, block);
    return entry;
  }
  const padded = await takeBlocks(reader, Math.ceil(header.bytes / BLOCK) * BLOCK);
  const records = decodePaxRecords(padded.subarray(0, header.bytes), contents);
  const last = await takeBlocks(reader, BLOCK);
  if (isZero(last)) throw invalid('PAX records without an entry');
  const described = decodeHeader(last, contents);
  if (described.kind === 'records') throw invalid('two sets of PAX records for one entry');
  const entry = entryOf(described.fields, records);
  checkForm(entry, Buffer.concat([block, padded, last]));
  return entry;
}

async function takeBlocks(reader: BlockReader, size: number): Promise<Buffer> {
  const blocks = await reader.take(size);
  if (blocks === undefined) throw invalid('ends before the end of the archive');
  return blocks;
}

async function hashContent(reader: BlockReader, size: number): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of reader.stream(size)) hash.update(chunk);
  const padding = (BLOCK - (size % BLOCK)) % BLOCK;
  if (padding > 0 && !isZero(await takeBlocks(reader, padding))) {
    throw invalid('bytes between the end of a file and the next block');
  }
  return hash.digest('hex');
}

/** Two blocks of zeros end an archive; some readers continue after them, or after one. */
async function checkEnd(reader: BlockReader): Promise<void> {
  if (!isZero(await takeBlocks(reader, BLOCK)))
    throw invalid('one block of zeros with more after it, expected two');
  if ((await reader.take(1)) !== undefined)
    throw invalid('bytes after the end of the archive, expected none');
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function invalid(problem: string): OciError {
  return new OciError('INVALID_LAYER', `layer: ${problem}`);
}

async function* metered(
  source: AsyncIterable<Buffer>,
  meter: LayerMeter,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    meter.addBytes(chunk.length);
    hash.update(chunk);
    yield chunk;
  }
}
