import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Compression, type Descriptor, layerMediaType } from '../descriptor.ts';
import { type Digest, digestHex, digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';
import { createImageLayout } from '../layout/image-layout.ts';
import { writeLayer } from './layer-writer.ts';
import { type LayerThreads, startLayerThreads } from './reader-threads.ts';

// Data that does not compress, with a size that does not fill buffers evenly.
const NOISE = Buffer.concat(
  Array.from({ length: 100_000 }, (_, index) => createHash('sha256').update(`${index}`).digest()),
).subarray(0, 3_000_001);

describe.each([
  ['reading layers on threads', NOISE],
  ['reading layers too small for a thread', NOISE.subarray(0, 1000)],
])('%s', (_title, content) => {
  const samples = new Map<Compression, { readonly descriptor: Descriptor; readonly diffId: Digest }>();
  let folder: string;
  let blobs: string;
  let threads: LayerThreads;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reader-threads-'));
    blobs = await createImageLayout(folder);
    const metadata = { uid: 0, gid: 0, mtime: 0 };
    const entries = [
      { ...metadata, type: 'directory', path: 'bin', mode: 0o755, size: 0 },
      {
        ...metadata,
        type: 'file',
        path: 'bin/app',
        mode: 0o755,
        size: content.length,
        content: async function* () {
          yield content;
        },
      },
    ] as const;
    for (const compression of ['none', 'gzip', 'zstd'] as const)
      samples.set(compression, await writeLayer(blobs, entries, { compression }));
  });
  afterAll(() => rm(folder, { recursive: true }));
  beforeEach(() => {
    threads = startLayerThreads([content.length]);
  });
  afterEach(() => threads[Symbol.asyncDispose]());

  const sampleOf = (compression: Compression) => {
    const sample = samples.get(compression);
    if (sample === undefined) throw new Error('no sample');
    return sample;
  };
  const read = (layer: Descriptor, compression: Compression, diffId?: Digest) =>
    threads.read(folder, layer, { compression, diffId });
  async function store(bytes: Buffer, digest = digestOf(bytes)): Promise<Descriptor> {
    await writeFile(join(blobs, digestHex(digest)), bytes);
    return { mediaType: layerMediaType('gzip'), digest, size: bytes.length };
  }

  it.each(['none', 'gzip', 'zstd'] as const)(
    'returns the entries of more layers than are read at once, with %s',
    async (compression) => {
      const { descriptor, diffId } = sampleOf(compression);
      const contents = await Promise.all([1, 2, 3, 4, 5].map(() => read(descriptor, compression, diffId)));
      for (const entries of contents) {
        expect(entries.map(({ path, sha256 }) => [path, sha256])).toEqual([
          ['bin', undefined],
          ['bin/app', digestHex(digestOf(content))],
        ]);
      }
    },
  );

  it.each([
    ['another diffID', (bytes: Buffer) => [bytes, digestOf('another')] as const, 'DIGEST_MISMATCH'],
    ['a truncated layer', (bytes: Buffer) => [bytes.subarray(0, -9), undefined] as const, 'INVALID_LAYER'],
    ['a blob that is not a layer', () => [content, undefined] as const, 'INVALID_LAYER'],
  ])('refuses %s, and reads the next layer', async (_, spoil, code) => {
    const { descriptor, diffId } = sampleOf('gzip');
    const [bytes, wanted] = spoil(await readFile(join(blobs, digestHex(descriptor.digest))));
    const refused = read(await store(bytes), 'gzip', wanted);
    const next = read(descriptor, 'gzip', diffId);
    await expect(refused).rejects.toMatchObject({ name: 'OciError', code });
    await expect(refused).rejects.toBeInstanceOf(OciError);
    expect(await next).toHaveLength(2);
  });

  it('reports a digest mismatch before any other problem with the bytes', async () => {
    const stranger = await store(content, digestOf('another'));
    await expect(read(stranger, 'gzip')).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
      message: expect.stringContaining(digestHex(digestOf('another'))),
    });
  });

  it('names a missing file, and reads the next layer', async () => {
    const missing = { ...sampleOf('gzip').descriptor, digest: digestOf('missing') };
    await expect(read(missing, 'gzip')).rejects.toMatchObject({
      code: 'INVALID_LAYOUT',
      message: expect.stringContaining(`${digestHex(missing.digest)}: expected a file, found none`),
    });
    const { descriptor, diffId } = sampleOf('zstd');
    expect(await read(descriptor, 'zstd', diffId)).toHaveLength(2);
  });
});

describe('stopping threads', () => {
  it('stopping threads fails the layers that they are still reading', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'reader-threads-'));
    try {
      const blobs = await createImageLayout(folder);
      const { descriptor } = await writeLayer(
        blobs,
        [
          {
            type: 'file',
            path: 'app',
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: 0,
            size: NOISE.length,
            content: async function* () {
              yield NOISE;
            },
          },
        ],
        { compression: 'gzip' },
      );
      const threads = startLayerThreads([descriptor.size]);
      const reading = threads.read(folder, descriptor, { compression: 'gzip' });
      reading.catch(() => {});
      await threads[Symbol.asyncDispose]();
      await expect(reading).rejects.toThrow('the thread reading the layer has exited');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
