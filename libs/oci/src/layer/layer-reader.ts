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

/** An entry of a layer that was read; a layer of `files` with extended attributes is refused. */
export interface ReadEntry extends Omit<EntryMetadata, 'attributes'> {
  /** The SHA-256 of a file's content in hexadecimal; undefined for anything but a file. */
  readonly sha256: string | undefined;
  /** Present where it has extended attributes. */
  readonly hasAttributes?: true;
}

/** What reading a layer is held to. */
export interface ReadLayerOptions {
  readonly compression: Compression;
  /** The digest that the tar must have; the last entry is followed by an error where it has not. */
  readonly diffId?: Digest | undefined;
  /** How much is read; `MAX_LAYER` where it is left out. */
  readonly limits?: LayerLimits | undefined;
  /** What it may hold; `files` where it is left out. */
  readonly contents?: LayerContents | undefined;
}

/**
 * Reads the entries of a layer, in order, hashing the content of files as it passes: nothing is written, and no more
 * than a few chunks are held; of those of the source, none once the next is asked for. It reads what BuildKit and
 * `writeLayer` write, and what every unpacker reads alike, and nothing else. Throws `INVALID_LAYER` that names what was
 * found: damaged or truncated data, more than one compressed stream, anything after the end of the tar, and what
 * `decodeHeader`, `decodePaxRecords`, `entryOf`, `checkForm` and `EntryOrder` refuse; `LAYER_LIMIT` for more than
 * allowed; `DIGEST_MISMATCH` where the tar is another than `diffId` names.
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

/** The next entry, its content still to come; undefined after the first block of the archive's end. */
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
  if (described.kind === 'records') throw invalid('PAX records twice for one entry');
  const entry = entryOf(described.fields, records);
  checkForm(entry, Buffer.concat([block, padded, last]));
  return entry;
}

async function takeBlocks(reader: BlockReader, size: number): Promise<Buffer> {
  const blocks = await reader.take(size);
  if (blocks === undefined) throw invalid('ends without the end of the archive');
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

/** Two blocks of zeros end an archive; some readers continue behind them, or behind one. */
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
