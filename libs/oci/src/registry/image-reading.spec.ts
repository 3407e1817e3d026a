import { buffer } from 'node:stream/consumers';
import {
  type FakeRegistry,
  QUIRK_USER,
  QUIRKS,
  sleepingClock,
  startFakeRegistry,
} from '@prebuilt/testing/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Descriptor, MEDIA_TYPES } from '../descriptor.ts';
import { digestOf } from '../digest.ts';
import { readImage } from './image-reading.ts';
import { withMirrors } from './mirrors.ts';
import { createRepositoryClient, type RepositoryClient } from './repository.ts';
import { DEFAULT_RETRY_LIMITS } from './retry.ts';
import { createTransport, type Transport } from './transport/index.ts';

const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const LAYER = Buffer.from('layer');
const AMD64 = { os: 'linux', architecture: 'amd64' };

let registry: FakeRegistry;
const transports: Transport[] = [];
beforeEach(async () => {
  registry = await startFakeRegistry();
});
afterEach(async () => {
  await Promise.all(transports.splice(0).map((transport) => transport.close()));
  await registry.close();
});

function connect(host = registry.host): RepositoryClient {
  const clock = sleepingClock(1_800_000_000_000);
  const transport = createTransport({
    environment: {},
    plainHttp: false,
    limits: DEFAULT_RETRY_LIMITS,
    clock,
    signal: new AbortController().signal,
    idleMs: 2000,
  });
  transports.push(transport);
  const credentials = async () => ({ kind: 'basic', ...QUIRK_USER }) as const;
  return createRepositoryClient({
    registry: host,
    repository: 'library/base',
    transport,
    credentials,
    clock,
    rights: 'pull',
  });
}

function put(bytes: Buffer, mediaType: string): Descriptor {
  registry.manifests.set(`library/base@${digestOf(bytes)}`, { bytes, mediaType });
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

function putImage(architecture: string, type: string, layerType: string = MEDIA_TYPES.layerGzip): Descriptor {
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture }));
  for (const blob of [config, LAYER]) registry.seed('library/base', blob);
  const of = (bytes: Buffer, mediaType: string) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = {
    schemaVersion: 2,
    config: of(config, MEDIA_TYPES.config),
    layers: [of(LAYER, layerType)],
  };
  return put(Buffer.from(JSON.stringify({ ...manifest, mediaType: type })), type);
}

function tag(name: string, { digest }: Descriptor): void {
  registry.tags.set(`library/base:${name}`, digest);
}

function putIndex(type: string): Descriptor {
  const manifestType = type === DOCKER_LIST ? DOCKER_MANIFEST : MEDIA_TYPES.manifest;
  const manifests = [
    { ...putImage('amd64', manifestType), platform: AMD64 },
    { ...putImage('arm64', manifestType), platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    { ...putImage('arm', manifestType), platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
  ];
  const index = put(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests })), type);
  tag('1', index);
  return index;
}

describe('withMirrors', () => {
  it('reads from the first mirror that has the content, or else from the registry itself', async () => {
    putIndex(MEDIA_TYPES.index);
    const [broken, empty] = [await startFakeRegistry(), await startFakeRegistry()];
    try {
      broken.behave({ quirks: QUIRKS.filter(({ name }) => name.startsWith('changes the protocol')) });
      const passed: string[] = [];
      const source = withMirrors([connect(broken.host), connect(empty.host)], connect(), (message) =>
        passed.push(message),
      );
      const { layers } = await readImage(source, '1', AMD64);
      const [layer] = layers;
      expect(layer && (await buffer(await source.openBlob(layer)))).toEqual(LAYER);
      expect(passed.length).toBeGreaterThan(4);
      const before = registry.log.length;
      const mirrored = withMirrors([connect()], connect(empty.host));
      expect((await readImage(mirrored, '1', AMD64)).layers).toEqual(layers);
      expect(registry.log.length).toBeGreaterThan(before);
      await expect(
        readImage(withMirrors([connect(empty.host)], connect()), 'none', AMD64),
      ).rejects.toMatchObject({
        code: 'REGISTRY_NOT_FOUND',
        message: expect.stringContaining(registry.host),
      });
    } finally {
      await Promise.all([broken.close(), empty.close()]);
    }
  });
});

describe('a mirror that serves a wrong blob', () => {
  it('a mirror that serves a wrong blob is skipped once that is known, and not asked again', async () => {
    putIndex(MEDIA_TYPES.index);
    const descriptor = { mediaType: MEDIA_TYPES.layerGzip, digest: digestOf(LAYER), size: LAYER.length };
    const mirror = connect();
    let opened = 0;
    const changed = {
      ...mirror,
      openBlob: async (wanted: Descriptor) => {
        opened += 1;
        return mirror.openBlob({ ...wanted, size: wanted.size - 1 });
      },
    };
    const passed: string[] = [];
    const source = withMirrors([changed], connect(), (message) => passed.push(message));
    const read = () => source.attempt('read', async () => buffer(await source.openBlob(descriptor)));
    expect([await read(), await read()]).toEqual([LAYER, LAYER]);
    expect(opened).toBe(1);
    expect(passed).toEqual([expect.stringContaining('found more')]);
  });

  it('a wrong blob from a mirror is an error if the registry serves the same one', async () => {
    putIndex(MEDIA_TYPES.index);
    const descriptor = { mediaType: MEDIA_TYPES.layerGzip, digest: digestOf('other'), size: LAYER.length };
    const honest = connect();
    const forger = {
      ...honest,
      openBlob: () => honest.openBlob({ ...descriptor, digest: digestOf(LAYER), size: 1 }),
    };
    const source = withMirrors([forger], { ...forger });
    await expect(
      source.attempt('read', async () => buffer(await source.openBlob(descriptor))),
    ).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
  });
});

describe('readImage', () => {
  it.each([MEDIA_TYPES.index, DOCKER_LIST])('finds the image for a platform in %s', async (type) => {
    const index = putIndex(type);
    const client = connect();
    for (const reference of ['1', index.digest]) {
      const image = await readImage(client, reference, AMD64);
      expect(image.digest).toBe(index.digest);
      expect(JSON.parse(image.configBytes.toString('utf8'))).toEqual(AMD64);
      const [layer] = image.layers;
      expect(layer && (await buffer(await client.openBlob(layer)))).toEqual(LAYER);
    }
    expect((await readImage(client, '1', { os: 'linux', architecture: 'arm64' })).config.digest).toBe(
      (await readImage(client, '1', { os: 'linux', architecture: 'arm64', variant: 'v8' })).config.digest,
    );
  });

  it('reads a manifest without an index', async () => {
    const manifest = putImage('amd64', DOCKER_MANIFEST);
    expect((await readImage(connect(), manifest.digest, AMD64)).digest).toBe(manifest.digest);
  });

  it('lists the available platforms if the requested one is missing', async () => {
    putIndex(MEDIA_TYPES.index);
    await expect(readImage(connect(), '1', { os: 'linux', architecture: 's390x' })).rejects.toMatchObject({
      code: 'REGISTRY_NOT_FOUND',
      message: '1: expected an image for linux/s390x, found linux/amd64, linux/arm64, linux/arm/v7',
    });
  });

  it.each([
    [
      'a manifest of schema 1',
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
      { schemaVersion: 1 },
    ],
    ['an array', MEDIA_TYPES.manifest, []],
    ['null', MEDIA_TYPES.index, null],
    ['an index whose list is an object', MEDIA_TYPES.index, { schemaVersion: 2, manifests: {} }],
    ['a layer without a digest', MEDIA_TYPES.manifest, { schemaVersion: 2, config: {}, layers: [{}] }],
  ])('refuses %s with a typed error', async (_, type, document) => {
    tag('x', put(Buffer.from(JSON.stringify(document)), type));
    await expect(readImage(connect(), 'x', AMD64)).rejects.toMatchObject({ code: 'REGISTRY_RESPONSE' });
  });

  it('refuses layers that are stored elsewhere', async () => {
    tag(
      'x',
      putImage('amd64', MEDIA_TYPES.manifest, 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'),
    );
    await expect(readImage(connect(), 'x', AMD64)).rejects.toMatchObject({
      hint: expect.stringContaining('another base image'),
    });
  });

  it('gives up on indexes that are nested too deeply', async () => {
    const inner = putIndex(MEDIA_TYPES.index);
    const wrap = (manifests: readonly Descriptor[]): Descriptor =>
      put(
        Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests })),
        MEDIA_TYPES.index,
      );
    tag('deep', wrap([wrap([wrap([inner])])]));
    await expect(readImage(connect(), 'deep', AMD64)).rejects.toMatchObject({ code: 'REGISTRY_RESPONSE' });
  });

  it('asks only for the right to pull', async () => {
    registry.behave({ auth: { scheme: 'bearer', ...QUIRK_USER } });
    putIndex(MEDIA_TYPES.index);
    await readImage(connect(), '1', AMD64);
    const asked = registry.targets.filter((target) => target.includes('/token'));
    expect(asked).toEqual(['GET /token?service=fake&scope=repository%3Alibrary%2Fbase%3Apull']);
  });

  const reading = QUIRKS.filter(({ outcome }) => outcome === undefined);
  it.each(reading.map((quirk) => [quirk.name, quirk] as const))(
    'reads from a registry that %s',
    async (_, quirk) => {
      putIndex(MEDIA_TYPES.index);
      registry.behave({ quirks: [quirk] });
      const client = connect();
      const { layers } = await readImage(client, '1', AMD64);
      const [layer] = layers;
      if (layer === undefined) throw new TypeError('a layer was put');
      expect(await client.attempt('read', async () => buffer(await client.openBlob(layer)))).toEqual(LAYER);
    },
  );
});
