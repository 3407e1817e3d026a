import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutationsOf, withChecksums } from '../../testing/mutations.ts';
import {
  compareDocuments,
  compareLayer,
  type Digest,
  digestOf,
  type ExpectedImage,
  formatImageConfig,
  layerLimits,
  MEDIA_TYPES,
  OciError,
  parseBaseConfig,
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  type ReadEntry,
  readLayer,
} from '../index.ts';
import type { LayerContents } from '../layer/tar-decoder.ts';
import { type EntryMetadata, encodeHeader, paddingAfter } from '../layer/tar-header.ts';
import { type DocumentSource, readImage } from '../registry/image-reading.ts';

const MAX_MILLISECONDS = 5000;
const TIME = 1_700_000_000;
const PLATFORM = { architecture: 'arm', os: 'linux', variant: 'v7' };

// A layer with every kind of header: short, split over two fields, and with PAX records.
const CONTENT = Buffer.from('the program, which is longer than nothing\n');
const entryOf = (path: string, more: Partial<ReadEntry> = {}): ReadEntry => ({
  type: 'directory',
  path,
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: TIME,
  size: 0,
  sha256: undefined,
  ...more,
});
const fileOf = (path: string, more: Partial<ReadEntry> = {}): ReadEntry =>
  entryOf(path, {
    type: 'file',
    size: CONTENT.length,
    sha256: createHash('sha256').update(CONTENT).digest('hex'),
    ...more,
  });
const LONG = 'a'.repeat(90);
const ENTRIES: readonly ReadEntry[] = [
  entryOf('bin'),
  fileOf('bin/app'),
  entryOf(LONG),
  fileOf(`${LONG}/${'b'.repeat(60)}`),
  fileOf('größe', { uid: 2 ** 24 }),
];
const TAR = Buffer.concat([
  ...ENTRIES.flatMap((entry) => [
    encodeHeader(entry),
    ...(entry.type === 'file' ? [CONTENT, paddingAfter(CONTENT.length)] : []),
  ]),
  Buffer.alloc(1024),
]);
const DIFF_ID = digestOf(TAR);

const EXPECTED: ExpectedImage = {
  platform: PLATFORM,
  config: {
    user: '65534',
    env: ['PATH=/bin', 'A=1'],
    entrypoint: ['/bin/app'],
    cmd: ['serve'],
    exposedPorts: ['8080/tcp'],
    volumes: ['/data'],
    workingDir: '/',
    labels: { a: 'b', 'org.opencontainers.image.version': '1.2.3' },
    stopSignal: 'SIGTERM',
    argsEscaped: true,
    healthcheck: { test: ['CMD', '/bin/app', 'health'], interval: 5e9, timeout: 3e9, retries: 2 },
  },
  created: TIME,
  history: [
    { createdBy: 'COPY app /bin/app', emptyLayer: false },
    { createdBy: 'USER 65534', emptyLayer: true },
  ],
  layers: [ENTRIES],
};
const CONFIG = formatImageConfig({ ...EXPECTED, ...PLATFORM, diffIds: [DIFF_ID] });
const MANIFEST = JSON.stringify({
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.manifest,
  config: { mediaType: MEDIA_TYPES.config, digest: digestOf(CONFIG), size: CONFIG.length },
  layers: [{ mediaType: MEDIA_TYPES.layer, digest: DIFF_ID, size: TAR.length }],
});
const INDEX = JSON.stringify({
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.index,
  manifests: [
    {
      mediaType: MEDIA_TYPES.manifest,
      digest: digestOf(MANIFEST),
      size: MANIFEST.length,
      platform: PLATFORM,
    },
  ],
});

async function outcomeOf<T>(act: () => T | Promise<T>): Promise<T | OciError> {
  const started = performance.now();
  try {
    return await act();
  } catch (error) {
    if (error instanceof OciError) return error;
    throw error;
  } finally {
    expect(performance.now() - started).toBeLessThan(MAX_MILLISECONDS);
  }
}

const read = (bytes: Buffer, compression: 'none' | 'gzip' | 'zstd', diffId?: Digest) =>
  outcomeOf(() => Array.fromAsync(readLayer([bytes], { compression, diffId, limits: layerLimits(ENTRIES) })));

describe('a layer with some of its bytes changed', () => {
  it('a layer with changed bytes is refused or differs from the plan, unless the tar is the same', async () => {
    expect(compareLayer(ENTRIES, (await read(TAR, 'none')) as ReadEntry[], 0)).toEqual([]);
    await fc.assert(
      fc.asyncProperty(mutationsOf(TAR).map(withChecksums), async (tar) => {
        const found = await read(tar, 'none');
        if (found instanceof OciError) return;
        expect(compareLayer(ENTRIES, found, 0).length > 0).toBe(!tar.equals(TAR));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['gzip', gzipSync(TAR)],
    ['zstd', zstdCompressSync(TAR)],
  ] as const)(
    'yields the planned entries or a typed error under %s, and never other files',
    async (compression, original) => {
      await fc.assert(
        fc.asyncProperty(mutationsOf(original), async (bytes) => {
          const found = await read(bytes, compression, DIFF_ID);
          if (!(found instanceof OciError)) expect(compareLayer(ENTRIES, found, 0)).toEqual([]);
        }),
        { numRuns: 1000 },
      );
    },
  );

  it('a layer changed before its compression is refused or differs from the plan', async () => {
    await fc.assert(
      fc.asyncProperty(mutationsOf(TAR).map(withChecksums), fc.boolean(), async (tar, gzip) => {
        const found = await (gzip ? read(gzipSync(tar), 'gzip') : read(zstdCompressSync(tar), 'zstd'));
        if (found instanceof OciError) return;
        expect(compareLayer(ENTRIES, found, 0).length > 0).toBe(!tar.equals(TAR));
      }),
      { numRuns: 500 },
    );
  });
});

/** Changes one place in a JSON document: replaces or removes a value, or inserts a member or element. */
function changedJson(text: string): fc.Arbitrary<string> {
  return fc
    .record({
      place: fc.nat(1000),
      name: fc.string({ maxLength: 8 }),
      value: fc.jsonValue({ maxDepth: 2 }),
      how: fc.nat(2),
    })
    .map(({ place, name, value, how }) => {
      const data = JSON.parse(text);
      const places = placesOf(data);
      const { parent, key } = places[place % places.length] as Place;
      if (how === 0) parent[key] = value;
      else if (how === 1 && Array.isArray(parent)) parent.splice(Number(key), 1);
      else if (how === 1) delete parent[key];
      else if (Array.isArray(parent)) parent.splice(Number(key), 0, value);
      else
        Object.defineProperty(parent, name, { value, enumerable: true, configurable: true, writable: true });
      return JSON.stringify(data);
    });
}

// biome-ignore lint/suspicious/noExplicitAny: any JSON
type Place = { readonly parent: any; readonly key: string };

function manyMembers(): string {
  return Array.from({ length: 300_000 }, (_, index) => `"${index}":""`).join(',');
}

function placesOf(value: unknown): readonly Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => [{ parent: value, key }, ...placesOf(child)]);
}

// The wording of the history is up to the builder.
const meaning = (text: string): string => {
  const data = JSON.parse(text);
  for (const entry of Array.isArray(data.history) ? data.history : []) {
    if (typeof entry === 'object' && entry !== null) delete entry.created_by;
  }
  return sortedJson(data);
};
const sortedJson = (data: unknown): string =>
  JSON.stringify(data, (_, value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );

// What a command may leave behind: whiteouts, special files, links to links.
const CHANGES: readonly EntryMetadata[] = [
  entryOf('etc'),
  fileOf('etc/.wh.gone', { size: 0, mode: 0, mtime: 0 }),
  fileOf('etc/.wh..wh..opq', { size: 0, mode: 0, mtime: 0 }),
  fileOf('etc/list'),
  entryOf('etc/list2', { type: 'link', target: 'etc/list' }),
  entryOf('etc/link', { type: 'symlink', mode: 0o777, target: '../app' }),
  entryOf('etc/link2', { type: 'link', mode: 0o777, target: 'etc/link' }),
  entryOf('fifo', { type: 'special', special: { flag: '6', major: 0, minor: 0 } }),
  entryOf('null', { type: 'special', special: { flag: '3', major: 1, minor: 3 } }),
];
const withContents = (entries: readonly EntryMetadata[]): Buffer =>
  Buffer.concat([
    ...entries.flatMap((entry) => [
      encodeHeader(entry),
      ...(entry.size > 0 ? [CONTENT, paddingAfter(CONTENT.length)] : []),
    ]),
    Buffer.alloc(1024),
  ]);
const readChanged = (bytes: Buffer, contents: LayerContents) =>
  outcomeOf(() => Array.fromAsync(readLayer([bytes], { compression: 'none', contents })));

describe('a layer made by a command, with some bytes changed', () => {
  const tar = withContents(CHANGES);

  it('a changed layer from a command is refused or has other entries, unless the tar is the same', async () => {
    const honest = JSON.stringify(await readChanged(tar, 'changes'));
    expect(JSON.parse(honest)).toHaveLength(CHANGES.length);
    expect(await readChanged(tar, 'files')).toBeInstanceOf(OciError);
    await fc.assert(
      fc.asyncProperty(mutationsOf(tar).map(withChecksums), async (changed) => {
        const found = await readChanged(changed, 'changes');
        if (found instanceof OciError) return;
        expect(JSON.stringify(found) === honest).toBe(changed.equals(tar));
      }),
      { numRuns: 2000 },
    );
  });

  it('yields entries or a typed error for a layer with extended attributes', async () => {
    const value = Buffer.from([1, 0, 255, 10, 61]);
    const attributes = [
      { name: 'security.capability', value },
      { name: 'user.größe', value },
    ];
    const attributed = withContents([
      entryOf('a', { type: 'file', attributes } as object),
      entryOf(LONG, { attributes } as object),
      entryOf(`${LONG}/${'b'.repeat(60)}`, { attributes } as object),
    ]);
    const honest = (await readChanged(attributed, 'changes')) as readonly ReadEntry[];
    expect(honest.map(({ hasAttributes }) => hasAttributes)).toEqual([true, true, true]);
    await fc.assert(
      fc.asyncProperty(mutationsOf(attributed).map(withChecksums), async (changed) => {
        await readChanged(changed, 'changes');
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a document with something changed', () => {
  const manifest = parseImageManifest(Buffer.from(MANIFEST), 'manifest');
  const config = parseImageConfig(Buffer.from(CONFIG), 'config');

  it('an unchanged document has no difference', () => {
    expect(compareDocuments(EXPECTED, { platform: PLATFORM, manifest, config })).toEqual([]);
  });

  it('any change to a configuration is refused or reported as a difference', async () => {
    await fc.assert(
      fc.asyncProperty(changedJson(CONFIG), async (text) => {
        const found = await outcomeOf(() => parseImageConfig(Buffer.from(text), 'config'));
        if (found instanceof OciError || meaning(text) === meaning(CONFIG)) return;
        const sameNumberOfLayers = JSON.stringify(found.rootfs) === JSON.stringify(config.rootfs);
        // A different diffID is noticed when the layer is read.
        if (!sameNumberOfLayers && found.rootfs.diff_ids.length === 1) return;
        expect(compareDocuments(EXPECTED, { platform: PLATFORM, manifest, config: found })).not.toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });

  it('any change to a manifest other than to digests and sizes is refused or reported as a difference', async () => {
    const shape = (text: string): string =>
      sortedJson(JSON.parse(text, (key, value) => (key === 'digest' || key === 'size' ? 0 : value)));
    await fc.assert(
      fc.asyncProperty(changedJson(MANIFEST), async (text) => {
        const found = await outcomeOf(() => parseImageManifest(Buffer.from(text), 'manifest'));
        if (found instanceof OciError || shape(text) === shape(MANIFEST)) return;
        // Any known compression is accepted.
        if (found.layers[0]?.mediaType.includes('tar+')) return;
        expect(compareDocuments(EXPECTED, { platform: PLATFORM, manifest: found, config })).not.toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['a configuration', CONFIG, parseImageConfig],
    ['a manifest', MANIFEST, parseImageManifest],
    ['an index', INDEX, parseImageIndex],
    ['the configuration of a base', CONFIG, parseBaseConfig],
  ] as const)(
    'changed bytes in %s yield either a parsed document or a typed error',
    async (_, text, parse) => {
      await fc.assert(
        fc.asyncProperty(mutationsOf(Buffer.from(text)), async (bytes) => {
          await outcomeOf(() => parse(bytes, 'document'));
        }),
        { numRuns: 1500 },
      );
    },
  );

  it.each([
    ['nested a million times', `${'['.repeat(1_000_000)}`],
    ['nested and closed a million times', `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`],
    ['with a number that is not a valid size', MANIFEST.replace(/"size":\d+/g, '"size":1e308')],
    ['with a million layers', MANIFEST.replace('"layers":[', `"layers":[${'{},'.repeat(1_000_000)}`)],
    ['with 300,000 annotations', MANIFEST.replace('"layers":', `"annotations":{${manyMembers()}},"layers":`)],
    ['that is not UTF-8', '\ud800'],
    ['that is empty', ''],
  ])('promptly refuses a document %s', async (_, text) => {
    const found = await outcomeOf(() => parseImageManifest(Buffer.from(text), 'manifest'));
    expect(found).toBeInstanceOf(OciError);
  });
});

it('an image in a registry with a changed index or manifest is read or promptly refused', async () => {
  const documents = [INDEX, MANIFEST].map((text) => Buffer.from(text));
  const mediaTypes = [MEDIA_TYPES.index, MEDIA_TYPES.manifest];
  const source = (given: readonly Buffer[]): DocumentSource => ({
    getManifest: async (reference) => {
      const at = reference === 'tag' ? 0 : 1;
      const bytes = given[at] ?? Buffer.alloc(0);
      return { bytes, digest: digestOf(bytes), mediaType: mediaTypes[at] ?? '', etag: undefined };
    },
    readBlob: async () => Buffer.from(CONFIG),
  });
  const honest = await readImage(source(documents), 'tag', PLATFORM);
  expect(honest.layers).toHaveLength(1);
  const given = fc.oneof(
    fc.tuple(mutationsOf(documents[0] as Buffer), fc.constant(documents[1] as Buffer)),
    fc.tuple(fc.constant(documents[0] as Buffer), mutationsOf(documents[1] as Buffer)),
  );
  await fc.assert(
    fc.asyncProperty(given, async (changed) => {
      await outcomeOf(() => readImage(source(changed), 'tag', PLATFORM));
    }),
    { numRuns: 1500 },
  );
});

it('reading changed documents and layers takes less than 256 MiB', () => {
  const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    const { readFileSync } = await import('node:fs');
    const { gzipSync, zstdCompressSync } = await import('node:zlib');
    const { default: fc } = await import('fast-check');
    const { mutationsOf, withChecksums } = await import(${url('../../testing/mutations.ts')});
    const oci = await import(${url('../index.ts')});
    const tar = Buffer.from('${TAR.toString('base64')}', 'base64');
    const changes = Buffer.from('${withContents(CHANGES).toString('base64')}', 'base64');
    const texts = ${JSON.stringify([CONFIG, MANIFEST, INDEX])}.map((text) => Buffer.from(text));
    const layer = (options) => (bytes) => Array.fromAsync(oci.readLayer([bytes], options));
    const base = (bytes) => Array.fromAsync(oci.readLayerChanges([bytes], {
      diffId: oci.digestOf(tar), maxBytes: 1e9, maxEntries: 1e6, maxNames: 1e6, contents: new Set(['bin/app']), maxContent: 1e6,
    }));
    const cases = [
      [tar, true, layer({ compression: 'none' })],
      [changes, true, layer({ compression: 'none', contents: 'changes' })],
      [gzipSync(tar), false, layer({ compression: 'gzip' })],
      [zstdCompressSync(tar), false, layer({ compression: 'zstd' })],
      [tar, true, base],
      [gzipSync(tar), false, base],
      [zstdCompressSync(tar), false, base],
      [texts[0], false, async (bytes) => oci.parseImageConfig(bytes, 'x')],
      [texts[0], false, async (bytes) => oci.parseBaseConfig(bytes, 'x')],
      [texts[1], false, async (bytes) => oci.parseImageManifest(bytes, 'x')],
      [texts[2], false, async (bytes) => oci.parseImageIndex(bytes, 'x')],
    ];
    let refused = 0;
    for (const [original, isTar, read] of cases) {
      const given = isTar ? mutationsOf(original).map(withChecksums) : mutationsOf(original);
      await fc.assert(fc.asyncProperty(given, async (bytes) => {
        await read(bytes).catch((error) => {
          if (!(error instanceof oci.OciError)) throw error;
          refused += 1;
        });
      }), { numRuns: 200 });
    }
    // As large as documents may be, and made of what takes the most memory for its size.
    const members = '{},'.repeat(1_000_000);
    const names = Array.from({ length: 300_000 }, (_, index) => '"' + index + '":""').join();
    for (const text of ['{"layers":[' + members + '{}]}', '{"annotations":{' + names + '}}', '['.repeat(4_000_000)]) {
      for (const parse of [oci.parseImageManifest, oci.parseImageIndex, oci.parseImageConfig, oci.parseBaseConfig]) {
        try {
          parse(Buffer.from(text), 'x');
        } catch (error) {
          if (!(error instanceof oci.OciError)) throw error;
          refused += 1;
        }
      }
    }
    const peak = /^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
    console.log(JSON.stringify({ refused, peak: Number(peak) }));
  `;
  const stdout = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    timeout: 60_000,
  });
  const { refused, peak } = JSON.parse(stdout);
  expect(refused).toBeGreaterThan(1000);
  expect(peak).toBeLessThan(256 * 1024);
}, 90_000);
