import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { entryBomb, LAYER_FORGERIES } from '@prebuilt/testing/layers';
import fc from 'fast-check';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Compression,
  digestHex,
  digestOf,
  type LayerEntry,
  layerLimits,
  MAX_LAYER,
  OciError,
  type ReadEntry,
  readLayer,
  tarSize,
  writeLayer,
} from '../index.ts';
import { encodeHeader } from './tar-header.ts';

let blobs: string;
beforeEach(async () => {
  blobs = await mkdtemp(join(tmpdir(), 'layer-'));
});
afterEach(() => rm(blobs, { recursive: true }));

const owner = { uid: 0, gid: 0, mtime: 1_700_000_000 };

function file(path: string, content: string | Uint8Array, more: Partial<LayerEntry> = {}): LayerEntry {
  const bytes = Buffer.from(content);
  const once = async function* () {
    yield bytes;
  };
  return { ...owner, type: 'file', path, mode: 0o644, size: bytes.length, content: once, ...more };
}

function folder(path: string): LayerEntry {
  return { ...owner, type: 'directory', path, mode: 0o755, size: 0 };
}

async function read(name: string, compression: Compression): Promise<ReadEntry[]> {
  return Array.fromAsync(readLayer(createReadStream(join(blobs, name)), { compression }));
}

describe('writeLayer', () => {
  it('writeLayer gives an empty tar the same diffID as BuildKit', async () => {
    const { diffId } = await writeLayer(blobs, [], { compression: 'gzip' });
    expect(diffId).toBe('sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef');
  });

  // The diffID that BuildKit (moby 26.1.5) gave COPY app /opt/x/app for a file "app\n".
  it('writeLayer gives folders and a file the same diffID as BuildKit', async () => {
    const entries = [folder('opt'), folder('opt/x'), file('opt/x/app', 'app\n')];
    const { diffId } = await writeLayer(blobs, entries, { compression: 'zstd' });
    expect(diffId).toBe('sha256:de6e610c0de05cf15a39dfe007d648087cf2d420de4e8ecc33c61b499db3eb13');
  });

  it.each(['none', 'gzip', 'zstd'] as const)('describes what it wrote with %s', async (compression) => {
    const entries = [folder('a'), file('a/b', 'x'.repeat(3000))];
    const written = await writeLayer(blobs, entries, { compression });
    expect(await readdir(blobs)).toEqual([digestHex(written.descriptor.digest)]);
    const bytes = Buffer.concat(
      await Array.fromAsync(createReadStream(join(blobs, digestHex(written.descriptor.digest)))),
    );
    expect(digestOf(bytes)).toBe(written.descriptor.digest);
    expect(bytes.length).toBe(written.descriptor.size);
    expect(written.tarSize).toBe(tarSize(entries));
  });

  it.each(['none', 'gzip', 'zstd'] as const)(
    'writeLayer is done with a chunk once the next but one is requested, with %s',
    async (compression) => {
      const chunks = Array.from({ length: 20 }, (_, index) => Buffer.alloc(100_000, `${index}`));
      const reused = Array.from({ length: 3 }, () => Buffer.alloc(100_000));
      const content = async function* () {
        for (const [index, chunk] of chunks.entries()) {
          const buffer = reused[index % reused.length] as Buffer;
          chunk.copy(buffer);
          yield buffer;
        }
      };
      const whole = file('a', Buffer.concat(chunks));
      const { diffId, descriptor } = await writeLayer(blobs, [{ ...whole, content }], { compression });
      expect(diffId).toBe((await writeLayer(blobs, [whole], { compression })).diffId);
      const [entry] = await read(digestHex(descriptor.digest), compression);
      expect(entry?.sha256).toBe(digestHex(digestOf(Buffer.concat(chunks))));
    },
  );

  it('writeLayer reports the number of bytes it packed', async () => {
    let told = 0;
    const onBytes = (bytes: number): void => {
      told += bytes;
    };
    const { tarSize } = await writeLayer(blobs, [file('a', 'x'.repeat(3_000_000))], {
      compression: 'gzip',
      onBytes,
    });
    expect(told).toBe(tarSize);
  });

  it.each([
    ['shorter', 5],
    ['longer', 3],
  ])('refuses content that is %s than its size, and leaves no file', async (_, size) => {
    const work = writeLayer(blobs, [file('a', 'four', { size })], { compression: 'gzip' });
    await expect(work).rejects.toMatchObject({ code: 'INVALID_LAYER' });
    expect(await readdir(blobs)).toEqual([]);
  });

  it('writeLayer leaves no file when it is aborted', async () => {
    const stop = new AbortController();
    const endless = async function* () {
      for (;;) {
        yield Buffer.alloc(1024 * 1024);
        stop.abort();
      }
    };
    const entries = [file('a', '', { size: 1024 ** 4, content: endless })];
    await expect(writeLayer(blobs, entries, { compression: 'zstd', signal: stop.signal })).rejects.toThrow();
    expect(await readdir(blobs)).toEqual([]);
  });
});

const segment = fc.oneof(
  fc.stringMatching(/^[a-z0-9._-]{1,12}$/),
  fc.stringMatching(/^[a-zé漢]{1,12}$/),
  fc.stringMatching(/^[a-z]{90,160}$/),
);
const anEntry = fc.record({
  path: fc
    .array(
      segment.filter((part) => part !== '.' && part !== '..'),
      { minLength: 1, maxLength: 5 },
    )
    .map((parts) => parts.join('/')),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 2 ** 31 }),
  gid: fc.integer({ min: 0, max: 2 ** 31 }),
  mtime: fc.integer({ min: 0, max: 2 ** 34 }),
});
const aContent = fc.uint8Array({ maxLength: 2000 });
const aLayer = fc
  .array(fc.tuple(anEntry, fc.constantFrom('file', 'directory', 'link', 'symlink'), aContent), {
    maxLength: 8,
  })
  .map(asTree);

// Each path occurs once and below its folders, and hard links point only to existing files: these are the layers that
// are written.
function asTree(
  drafts: readonly (readonly [Omit<LayerEntry, 'type' | 'size'>, LayerEntry['type'], Uint8Array])[],
): readonly LayerEntry[] {
  const tree = new Map<string, LayerEntry>();
  for (const [meta, type, bytes] of drafts) {
    const parts = meta.path.split('/');
    const above = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
    const taken =
      tree.has(meta.path) || above.some((path) => (tree.get(path)?.type ?? 'directory') !== 'directory');
    if (taken) continue;
    for (const path of above) tree.set(path, tree.get(path) ?? folder(path));
    const former = [...tree.values()].find((entry) => entry.type === 'file');
    if (type === 'file') tree.set(meta.path, file(meta.path, bytes, meta));
    else if (type === 'directory') tree.set(meta.path, { ...meta, type, size: 0 });
    else if (type === 'symlink') tree.set(meta.path, { ...meta, type, size: 0, target: `../${meta.path}` });
    else if (former !== undefined) {
      const { content: _, ...same } = former;
      tree.set(meta.path, { ...same, path: meta.path, type, size: 0, target: former.path });
    }
  }
  return [...tree.values()];
}

describe('a layer read back', () => {
  it('a layer read back has the entries that were written, with any compression', async () => {
    await fc.assert(
      fc.asyncProperty(aLayer, fc.constantFrom('none', 'gzip', 'zstd'), async (entries, compression) => {
        const { descriptor } = await writeLayer(blobs, entries, { compression });
        const found = await read(digestHex(descriptor.digest), compression);
        const expected = await Promise.all(
          entries.map(async ({ content, ...meta }) => ({
            ...meta,
            sha256:
              content &&
              createHash('sha256')
                .update(Buffer.concat(await Array.fromAsync(content())))
                .digest('hex'),
          })),
        );
        expect(found).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('a layer read back has the entries that another tar reader finds', async () => {
    await fc.assert(
      fc.asyncProperty(aLayer, async (entries) => {
        const { descriptor } = await writeLayer(blobs, entries, { compression: 'none' });
        const names: unknown[] = [];
        const other = extract();
        createReadStream(join(blobs, digestHex(descriptor.digest))).pipe(other);
        for await (const entry of other) {
          names.push([entry.header.name.replace(/\/$/, ''), entry.header.mode, entry.header.size]);
          entry.resume();
        }
        expect(names).toEqual(entries.map(({ path, mode, size }) => [path, mode, size]));
      }),
      { numRuns: 40 },
    );
  });
});

describe('readLayer', () => {
  const sourceOf = async function* (bytes: Uint8Array) {
    yield bytes;
  };
  const END = Buffer.alloc(1024);
  const header = (path: string, more: Partial<LayerEntry> = {}): Buffer =>
    encodeHeader({ ...folder('x'), type: 'file', path, ...more });
  const readAll = (bytes: Uint8Array, more = {}): Promise<ReadEntry[]> =>
    Array.fromAsync(readLayer(sourceOf(bytes), { compression: 'none', ...more }));

  const planned = { path: 'app', content: Buffer.from('the program') };

  it.each(LAYER_FORGERIES.filter(({ form }) => form === 'refused'))(
    'refuses $title, and names it',
    async ({ forge, named }) => {
      const { blob, compression } = forge(planned);
      const outcome = readAll(blob, { compression });
      await expect(outcome).rejects.toMatchObject({ name: 'OciError', code: 'INVALID_LAYER' });
      await expect(outcome).rejects.toThrow(named);
    },
  );

  // These are for a comparison to find: a reader that refused them would refuse honest layers as well.
  it.each(LAYER_FORGERIES.filter(({ form }) => form === 'sound'))(
    'reads a well-formed layer with $title',
    async ({ forge }) => {
      const { blob, tar, compression } = forge(planned);
      await expect(readAll(blob, { compression, diffId: digestOf(tar) })).resolves.toBeInstanceOf(Array);
    },
  );

  it.each([
    ['entries', 'at most 100 entries'],
    ['bytes', 'at most 100 bytes of tar'],
    ['names', 'at most 100 characters of paths'],
  ])('gives up on a small layer with very many folders at once, because of its %s', async (limit, said) => {
    const { blob, compression } = entryBomb(40_000);
    expect(blob.length).toBeLessThan(1_000_000);
    const started = performance.now();
    const limits = { ...MAX_LAYER, [limit]: 100 };
    const outcome = readAll(blob, { compression, limits });
    await expect(outcome).rejects.toMatchObject({
      code: 'LAYER_LIMIT',
      message: expect.stringContaining(said),
    });
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('gives up on a path that is too deep', async () => {
    const entries = [folder('a'), folder('a/b'), folder('a/b/c')].map(encodeHeader);
    const outcome = readAll(Buffer.concat([...entries, END]), { limits: { ...MAX_LAYER, depth: 2 } });
    await expect(outcome).rejects.toThrow('expected at most 2 path components ("a/b/c")');
  });

  it('gives up on a source that drips for too long', async () => {
    const drip = async function* () {
      for (let index = 0; index < 100; index++) {
        await delay(20);
        yield header(`a${index}`);
      }
    };
    const outcome = Array.fromAsync(
      readLayer(drip(), { compression: 'none', limits: { ...MAX_LAYER, milliseconds: 100 } }),
    );
    await expect(outcome).rejects.toMatchObject({ code: 'LAYER_LIMIT' });
  });

  it('reads a layer within the limits of its own entries', async () => {
    await fc.assert(
      fc.asyncProperty(aLayer, async (entries) => {
        const { descriptor } = await writeLayer(blobs, entries, { compression: 'zstd' });
        const source = createReadStream(join(blobs, digestHex(descriptor.digest)));
        const options = { compression: 'zstd', limits: layerLimits(entries) } as const;
        expect(await Array.fromAsync(readLayer(source, options))).toHaveLength(entries.length);
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ['without its end', header('a')],
    ['cut off in a file', Buffer.concat([header('a', { size: 5000 }), Buffer.alloc(1000)])],
    ['cut off in a header', header('a').subarray(0, 200)],
    ['with a wrong checksum', Buffer.concat([Buffer.alloc(100, 1), header('a').subarray(100), END])],
    ['that is not a tar', Buffer.from('x'.repeat(600))],
  ])('refuses a layer %s', async (_, bytes) => {
    await expect(readAll(bytes)).rejects.toMatchObject({ code: 'INVALID_LAYER' });
  });

  it('refuses a tar that does not match the diffID', async () => {
    await expect(readAll(END, { diffId: digestOf('other') })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });

  it('refuses a tar that is too large', async () => {
    await expect(
      readAll(Buffer.alloc(10_000), { limits: { ...MAX_LAYER, bytes: 5000 } }),
    ).rejects.toMatchObject({
      code: 'LAYER_LIMIT',
    });
  });

  it.each(['gzip', 'zstd'] as const)('refuses data that is not %s', async (compression) => {
    await expect(readAll(Buffer.from('nothing of the kind'), { compression })).rejects.toMatchObject({
      code: 'INVALID_LAYER',
    });
  });

  it('turns any bytes into entries or a typed error', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 3000 }),
          fc.tuple(fc.nat(511), fc.nat(255)).map(([at, value]) => {
            const bytes = Buffer.concat([header('some/file', { size: 3 }), Buffer.alloc(512), END]);
            bytes[at] = value;
            return bytes;
          }),
        ),
        fc.constantFrom('none', 'gzip', 'zstd'),
        async (bytes, compression) => {
          const outcome = await readAll(bytes, { compression }).catch((error: unknown) => error);
          expect(Array.isArray(outcome) || outcome instanceof OciError).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
