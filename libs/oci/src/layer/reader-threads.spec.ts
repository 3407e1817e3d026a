import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Compression } from '../descriptor.ts';
import { type Digest, digestHex, digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';
import { writeLayer } from './layer-writer.ts';
import { type LayerThreads, startLayerThreads } from './reader-threads.ts';

/** A layer as a registry gives it. */
interface Sample {
  readonly bytes: Buffer;
  readonly diffId: Digest;
}

// More than all buffers of a thread hold, of a size that fills none evenly, and nothing that gets smaller.
const CONTENT = Buffer.concat(
  Array.from({ length: 100_000 }, (_, index) => createHash('sha256').update(`${index}`).digest()),
).subarray(0, 3_000_001);

describe.each([
  ['threads that read layers', CONTENT.length],
  ['layers too small for a thread', 1000],
])('%s', (_title, size) => {
  const samples = new Map<Compression, Sample>();
  let threads: LayerThreads;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'layer-threads-'));
    const metadata = { uid: 0, gid: 0, mtime: 0 };
    const entries = [
      { ...metadata, type: 'directory', path: 'bin', mode: 0o755, size: 0 },
      {
        ...metadata,
        type: 'file',
        path: 'bin/app',
        mode: 0o755,
        size: CONTENT.length,
        content: async function* () {
          yield CONTENT;
        },
      },
    ] as const;
    for (const compression of ['none', 'gzip', 'zstd'] as const) {
      const { descriptor, diffId } = await writeLayer(folder, entries, { compression });
      samples.set(compression, { bytes: await readFile(join(folder, digestHex(descriptor.digest))), diffId });
    }
    await rm(folder, { recursive: true });
  });
  afterAll(() => samples.clear());
  beforeEach(() => {
    threads = startLayerThreads([size]);
  });
  afterEach(() => threads[Symbol.asyncDispose]());

  const sampleOf = (compression: Compression): Sample => samples.get(compression) as Sample;

  // In chunks of many sizes, each in memory of its own, as sockets give them; ends with the error where there is one.
  async function* inChunks(bytes: Buffer, error?: Error): AsyncGenerator<Buffer> {
    for (let rest = bytes, size = 1; rest.length > 0; size = (size * 3) % 100_003) {
      yield Buffer.from(Uint8Array.prototype.slice.call(rest, 0, size).buffer);
      rest = rest.subarray(size);
    }
    if (error !== undefined) throw error;
  }
  const read = (bytes: Buffer, compression: Compression, diffId?: Digest, error?: Error) =>
    threads.read(size, async () => inChunks(bytes, error), { compression, diffId });

  it.each(['none', 'gzip', 'zstd'] as const)(
    'give the entries of one after the other, under %s',
    async (compression) => {
      const { bytes, diffId } = sampleOf(compression);
      const contents = await Promise.all([1, 2, 3].map(() => read(bytes, compression, diffId)));
      for (const entries of contents) {
        expect(entries.map(({ path, sha256 }) => [path, sha256])).toEqual([
          ['bin', undefined],
          ['bin/app', digestHex(digestOf(CONTENT))],
        ]);
      }
    },
  );

  it.each([
    ['another diffID', (sample: Sample) => [sample.bytes, digestOf('another')] as const, 'DIGEST_MISMATCH'],
    [
      'a truncated one',
      (sample: Sample) => [sample.bytes.subarray(0, -9), undefined] as const,
      'INVALID_LAYER',
    ],
    ['one that is none', () => [CONTENT, undefined] as const, 'INVALID_LAYER'],
  ])('refuse %s, and read the next', async (_, spoil, code) => {
    const sample = sampleOf('gzip');
    const [bytes, diffId] = spoil(sample);
    const refused = read(bytes, 'gzip', diffId);
    const next = read(sample.bytes, 'gzip', sample.diffId);
    await expect(refused).rejects.toMatchObject({ name: 'OciError', code });
    await expect(refused).rejects.toBeInstanceOf(OciError);
    expect(await next).toHaveLength(2);
  });

  it('tell what the source has to say of its bytes before what the bytes look like', async () => {
    const refusal = new OciError('DIGEST_MISMATCH', 'blob: expected other bytes');
    await expect(read(CONTENT, 'gzip', undefined, refusal)).rejects.toBe(refusal);
    const { bytes, diffId } = sampleOf('gzip');
    expect(await read(bytes, 'gzip', diffId)).toHaveLength(2);
  });

  it('read the next where one could not be opened', async () => {
    const failure = new Error('not found');
    const failed = threads.read(size, () => Promise.reject(failure), {
      compression: 'gzip',
    });
    await expect(failed).rejects.toBe(failure);
    const { bytes, diffId } = sampleOf('zstd');
    expect(await read(bytes, 'zstd', diffId)).toHaveLength(2);
  });
});
