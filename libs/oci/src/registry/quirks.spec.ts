import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  type FakeRegistry,
  QUIRK_USER,
  QUIRKS,
  type Quirk,
  sleepingClock,
  startFakeRegistry,
  TAG_QUIRKS,
  UPLOAD_QUIRKS,
} from '@prebuilt/testing/registry';
import { afterEach, describe, expect, it } from 'vitest';
import { type Descriptor, MEDIA_TYPES } from '../descriptor.ts';
import { digestOf } from '../digest.ts';
import { attach } from './attachment.ts';
import { createRepositoryClient, type RepositoryClient } from './repository.ts';
import { DEFAULT_RETRY_LIMITS } from './retry.ts';
import { createTransport, type Transport } from './transport/index.ts';

const REPOSITORY = 'owner/app';
// Waits take no time here: what remains is the work of one publish on loopback.
const MAX_MS = 10_000;
const SEEDED_TAGS = Array.from({ length: 1100 }, (_, index) => `t${String(index).padStart(4, '0')}`);

interface Image {
  readonly version: string;
  readonly blobs: readonly Buffer[];
  readonly manifests: readonly Buffer[];
  readonly index: Buffer;
}

function descriptorOf(bytes: Buffer, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** An image for two platforms, each with its own layer and one that they share. */
function imageOf(version: string, layerBytes: number): Image {
  const shared = Buffer.alloc(2000, 'base');
  // One large layer shows how large layers are accepted.
  const platforms = ['amd64', 'arm64'].map((architecture, index) => {
    const layer = Buffer.alloc(index === 0 ? layerBytes : 3000, `${version} ${architecture}`);
    const config = Buffer.from(JSON.stringify({ architecture, os: 'linux', version }));
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.manifest,
        config: descriptorOf(config, MEDIA_TYPES.config),
        layers: [shared, layer].map((each) => descriptorOf(each, MEDIA_TYPES.layerGzip)),
      }),
    );
    return { blobs: [config, layer], manifest };
  });
  const manifests = platforms.map(({ manifest }) => manifest);
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.index,
      manifests: manifests.map((each) => descriptorOf(each, MEDIA_TYPES.manifest)),
    }),
  );
  return { version, blobs: [shared, ...platforms.flatMap(({ blobs }) => blobs)], manifests, index };
}

/** Does what a publisher does, in the same order: push by digest, read back, attach, then set tags. */
async function publish(client: RepositoryClient, image: Image): Promise<string> {
  const tags = await client.listTags();
  await client.checkPush();
  const ahead = new Map<Buffer, boolean>();
  for (const blob of image.blobs) {
    const descriptor = descriptorOf(blob, MEDIA_TYPES.layerGzip);
    await client.uploadBlob(descriptor, (offset) => inPieces(blob, offset), { mountFrom: 'owner/base' });
    ahead.set(blob, await client.verifyUnnamedBlob(descriptor));
  }
  for (const manifest of image.manifests) await putOnce(client, manifest, MEDIA_TYPES.manifest);
  await putOnce(client, image.index, MEDIA_TYPES.index);
  for (const each of [...image.manifests, image.index])
    expect(each.equals((await client.getManifest(digestOf(each))).bytes)).toBe(true);
  for (const blob of image.blobs) {
    const descriptor = descriptorOf(blob, MEDIA_TYPES.layerGzip);
    if (!ahead.get(blob)) await client.verifyBlob(descriptor);
    const read = await client.attempt('read', async () => buffer(await client.openBlob(descriptor)));
    expect(read.equals(blob)).toBe(true);
  }
  const attached = await attach(client, descriptorOf(image.index, MEDIA_TYPES.index), sbomOf(image));
  for (const tag of [image.version, 'latest']) {
    await client.setTag(tag, image.index, MEDIA_TYPES.index);
    expect(await client.confirmTag(tag, digestOf(image.index))).toEqual({ state: 'named' });
  }
  expect(new Set(await client.listTags())).toEqual(
    new Set([...tags, image.version, 'latest', ...fallbackTags(attached, image)]),
  );
  return attached.outcome === 'attached' ? attached.listedBy : attached.outcome;
}

function fallbackTags(attached: Awaited<ReturnType<typeof attach>>, { index }: Image): readonly string[] {
  const byTag = attached.outcome === 'attached' && attached.listedBy === 'tag';
  return byTag ? [digestOf(index).replace(':', '-')] : [];
}

async function* inPieces(content: Buffer, offset: number): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
}

async function putOnce(client: RepositoryClient, bytes: Buffer, mediaType: string): Promise<void> {
  if ((await client.headManifest(digestOf(bytes))) === undefined)
    await client.putManifest(digestOf(bytes), bytes, mediaType);
}

function sbomOf({ version }: Image): Parameters<typeof attach>[2] {
  const content = Buffer.from(JSON.stringify({ bomFormat: 'CycloneDX', version }));
  const descriptor = descriptorOf(content, 'application/vnd.cyclonedx+json');
  const open = (offset: number): Readable => Readable.from([content.subarray(offset)]);
  return { artifactType: descriptor.mediaType, annotations: { a: 'b' }, layers: [{ descriptor, open }] };
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function connect(registry: FakeRegistry): RepositoryClient {
  const clock = sleepingClock(1_800_000_000_000);
  const transport: Transport = createTransport({
    environment: {},
    plainHttp: false,
    limits: DEFAULT_RETRY_LIMITS,
    clock,
    signal: new AbortController().signal,
    idleMs: 2000,
  });
  ends.push(() => transport.close());
  const credentials = async () => ({ kind: 'basic', ...QUIRK_USER }) as const;
  return createRepositoryClient({
    registry: registry.host,
    repository: REPOSITORY,
    transport,
    credentials,
    clock,
  });
}

/** Publishes within the time limit; returns the outcome of the attachment, or the error. */
async function outcomeOf(registry: FakeRegistry, quirk: Quirk, image: Image): Promise<unknown> {
  registry.behave({ quirks: [quirk] });
  const late = new Error(`did not finish within ${MAX_MS} ms`);
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), MAX_MS);
  });
  try {
    return await Promise.race([publish(connect(registry), image), limit]);
  } catch (error) {
    if (error === late || quirk.outcome?.error === undefined) throw error;
    return error;
  } finally {
    clearTimeout(timer);
  }
}

async function serve(quirk: Quirk): Promise<FakeRegistry> {
  const registry = await startFakeRegistry();
  ends.push(() => registry.close());
  registry.seed('owner/base', Buffer.alloc(2000, 'base'));
  if (TAG_QUIRKS.includes(quirk)) {
    const manifest = Buffer.from('{}');
    registry.manifests.set(`${REPOSITORY}@${digestOf(manifest)}`, {
      bytes: manifest,
      mediaType: MEDIA_TYPES.manifest,
    });
    for (const tag of SEEDED_TAGS) registry.tags.set(`${REPOSITORY}:${tag}`, digestOf(manifest));
  }
  return registry;
}

describe('a publish to a registry with a quirk', () => {
  it.each(QUIRKS.map((quirk) => [quirk.name, quirk] as const))(
    'a publish to a registry that %s has the same outcome the first time, again, and with the next version',
    async (_, quirk) => {
      const registry = await serve(quirk);
      const layerBytes = UPLOAD_QUIRKS.includes(quirk) ? 6 * 1024 * 1024 + 17 : 3000;
      const [first, second] = [imageOf('1.2.3', layerBytes), imageOf('1.2.4', layerBytes)];
      const expected = quirk.outcome?.error;
      for (const image of [first, first, second]) {
        const outcome = await outcomeOf(registry, quirk, image);
        if (expected === undefined) {
          expect(outcome).toBe(quirk.outcome?.attachment ?? 'api');
          expect(registry.tags.get(`${REPOSITORY}:latest`)).toBe(digestOf(image.index));
        } else {
          expect(outcome).toMatchObject({
            code: expected.code,
            message: expect.stringMatching(expected.says),
          });
        }
      }
      // Canceling is tried once: if the registry refuses just that, it eventually ends the upload itself.
      expect(registry.openUploads()).toBeLessThanOrEqual(expected === undefined ? 3 : 6);
    },
  );

  it('each quirk has a unique name and says where it was seen', () => {
    expect(new Set(QUIRKS.map(({ name }) => name)).size).toBe(QUIRKS.length);
    for (const { source } of QUIRKS) expect(source).toMatch(/^https:\/\//);
    expect(QUIRKS.length).toBeGreaterThan(60);
  });

  it('no code recognizes a registry by its name', async () => {
    const names =
      /ghcr|quay|gitlab|gitea|harbor|artifactory|jfrog|nexus|amazonaws|azurecr|pkg\.dev|gcr\.io|zot/i;
    const folder = join(import.meta.dirname, '..');
    for await (const name of glob('**/*.ts', { cwd: folder, exclude: ['**/*.spec.ts'] })) {
      const code = (await readFile(join(folder, name), 'utf8')).replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '');
      expect(names.exec(code)?.[0], name).toBeUndefined();
    }
  });
});
