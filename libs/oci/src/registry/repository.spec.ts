import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  type FakeRegistry,
  type FakeRegistryOptions,
  type Fault,
  type FaultProxy,
  sleepingClock,
  startFakeRegistry,
  startFaultProxy,
} from '@prebuilt/testing/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Descriptor } from '../descriptor.ts';
import { digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';

import type { Credentials } from './credentials/index.ts';
import { referrersTag } from './referrers.ts';
import { createRepositoryClient, type RepositoryClient } from './repository.ts';

import { DEFAULT_RETRY_LIMITS } from './retry.ts';
import { createTransport, type Transport } from './transport/index.ts';

const SECRET = 'canary-password';
const USER = { username: 'user', password: SECRET };
const REPOSITORY = 'owner/app';
const CONTENT = Buffer.alloc(3 * 1024 * 1024, 'layer');
const LAYER: Descriptor = descriptorOf(CONTENT);
const CONFIG = Buffer.from('{}');
const MANIFEST = Buffer.from(
  JSON.stringify({ schemaVersion: 2, config: descriptorOf(CONFIG), layers: [descriptorOf(CONTENT)] }),
);
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

function descriptorOf(bytes: Buffer): Descriptor {
  return { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
}

let registry: FakeRegistry;
let proxy: FaultProxy | undefined;
const transports: Transport[] = [];

beforeEach(async () => {
  registry = await startFakeRegistry();
});
afterEach(async () => {
  await Promise.all(transports.splice(0).map((transport) => transport.close()));
  await proxy?.close();
  proxy = undefined;
  await registry.close();
});

interface Setup {
  readonly client: RepositoryClient;
  readonly clock: ReturnType<typeof sleepingClock>;
  readonly transport: Transport;
}

function connect(host = registry.host, credentials?: Credentials): Setup {
  const clock = sleepingClock(1_800_000_000_000);
  const transport = createTransport({
    environment: {},
    plainHttp: false,
    limits: DEFAULT_RETRY_LIMITS,
    clock,
    signal: new AbortController().signal,
    idleMs: 1500,
  });
  transports.push(transport);
  const client = createRepositoryClient({
    registry: host,
    repository: REPOSITORY,
    transport,
    credentials: async () => credentials,
    clock,
  });
  return { client, clock, transport };
}

// In pieces, so that a connection breaks partway through.
const inPieces = (offset: number): Readable =>
  Readable.from(
    (function* () {
      for (let at = offset; at < CONTENT.length; at += 65_536) yield CONTENT.subarray(at, at + 65_536);
    })(),
  );
const open = (offset: number): Readable => Readable.from([CONTENT.subarray(offset)]);

async function pushImage(client: RepositoryClient): Promise<void> {
  await client.uploadBlob(LAYER, open);
  await client.uploadBlob(descriptorOf(CONFIG), (offset) => Readable.from([CONFIG.subarray(offset)]));
  await client.putManifest(digestOf(MANIFEST), MANIFEST, MANIFEST_TYPE);
}

describe('a repository', () => {
  it('stores blobs and manifests by digest, returns them, and uploads nothing twice', async () => {
    const { client } = connect();
    await pushImage(client);
    expect(registry.blobs.get(LAYER.digest)?.equals(CONTENT)).toBe(true);
    expect(CONTENT.equals(await buffer(await client.openBlob(LAYER)))).toBe(true);
    expect(await client.getManifest(digestOf(MANIFEST))).toEqual({
      bytes: MANIFEST,
      digest: digestOf(MANIFEST),
      mediaType: MANIFEST_TYPE,
    });
    expect(await client.uploadBlob(LAYER, open)).toEqual({ how: 'present', sent: 0 });
    expect(registry.openUploads()).toBe(0);
  });

  it('mounts a blob that another repository has', async () => {
    const { client } = connect();
    registry.seed('owner/base', CONTENT);
    expect(await client.hasBlob(LAYER.digest)).toBe(false);
    expect(await client.uploadBlob(LAYER, open, { mountFrom: 'owner/base' })).toEqual({
      how: 'mounted',
      sent: 0,
    });
    expect(await client.hasBlob(LAYER.digest)).toBe(true);
    const other = descriptorOf(CONFIG);
    const openConfig = (): Readable => Readable.from([CONFIG]);
    expect(await client.uploadBlob(other, openConfig, { mountFrom: 'owner/base' })).toEqual({
      how: 'uploaded',
      sent: CONFIG.length,
    });
  });

  const putsSince = (before: number): readonly string[] =>
    registry.log.slice(before).filter((line) => line.startsWith('PUT '));
  const byDigest = `PUT /v2/${REPOSITORY}/manifests/${digestOf(MANIFEST)}`;

  it('creates and moves a tag by putting its manifest by digest, and reads back its digest', async () => {
    const { client } = connect();
    await pushImage(client);
    expect(await client.headManifest('1.2.3')).toBeUndefined();
    const before = registry.log.length;
    await client.setTag('1.2.3', MANIFEST, MANIFEST_TYPE);
    await client.setTag('1.2', MANIFEST, MANIFEST_TYPE);
    expect(putsSince(before)).toEqual([byDigest, byDigest]);
    expect(await client.headManifest('1.2.3')).toBe(digestOf(MANIFEST));
    expect(await client.headManifest('1.2')).toBe(digestOf(MANIFEST));
  });

  it('creates tags by name once the registry has failed to confirm one put by digest', async () => {
    registry.behave({ tagsByDigest: false });
    const { client } = connect();
    await pushImage(client);
    const before = registry.log.length;
    await client.setTag('1.2.3', MANIFEST, MANIFEST_TYPE);
    await client.setTag('1.2', MANIFEST, MANIFEST_TYPE);
    expect(putsSince(before)).toEqual([
      byDigest,
      `PUT /v2/${REPOSITORY}/manifests/1.2.3`,
      `PUT /v2/${REPOSITORY}/manifests/1.2`,
    ]);
    expect(await client.headManifest('1.2.3')).toBe(digestOf(MANIFEST));
    expect(await client.headManifest('1.2')).toBe(digestOf(MANIFEST));
  });

  it('creates no tag from an invalid name', async () => {
    const { client } = connect();
    await expect(client.setTag('a tag', MANIFEST, MANIFEST_TYPE)).rejects.toMatchObject({
      code: 'INVALID_REFERENCE',
      message: 'set tag: expected a tag, found "a tag"',
    });
    expect(registry.log).toEqual([]);
  });

  it('lists the tags on every page, and none for a repository that does not exist', async () => {
    const { client } = connect();
    expect(await client.listTags()).toEqual([]);
    await pushImage(client);
    const tags = Array.from({ length: 250 }, (_, index) => `t${String(index).padStart(3, '0')}`);
    for (const tag of tags) registry.tags.set(`${REPOSITORY}:${tag}`, digestOf(MANIFEST));
    expect(await client.listTags()).toEqual(tags);
  });

  it.each([
    [true, 'api'],
    [false, 'tag'],
  ] as const)('lists referrers with API support: %s', async (referrers, source) => {
    registry.behave({ referrers });
    const { client } = connect();
    await pushImage(client);
    const subject = { mediaType: MANIFEST_TYPE, digest: digestOf(MANIFEST), size: MANIFEST.length };
    const attached = Buffer.from(
      JSON.stringify({ schemaVersion: 2, config: descriptorOf(CONFIG), layers: [], subject }),
    );
    await client.putManifest(digestOf(attached), attached, MANIFEST_TYPE);
    if (!referrers) {
      expect(await client.listReferrers(digestOf(MANIFEST))).toEqual({ descriptors: [], source });
      const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [descriptorOf(attached)] }));
      await client.putManifest(
        referrersTag(digestOf(MANIFEST)),
        index,
        'application/vnd.oci.image.index.v1+json',
      );
    }
    expect(await client.listReferrers(digestOf(MANIFEST))).toMatchObject({
      descriptors: [{ digest: digestOf(attached) }],
      source,
    });
  });

  it('opens and cancels an upload to check the right to push', async () => {
    const { client } = connect();
    await client.checkPush();
    expect(registry.openUploads()).toBe(0);
    expect(registry.log).toEqual([
      `POST /v2/${REPOSITORY}/blobs/uploads/`,
      expect.stringMatching(/^DELETE .*uploads/),
    ]);
  });
});

describe('authorization', () => {
  const protect = (scheme: 'basic' | 'bearer', change: Partial<FakeRegistryOptions> = {}): void =>
    registry.behave({ auth: { scheme, ...USER }, ...change });
  const known: Credentials = { kind: 'basic', ...USER };

  it.each(['basic', 'bearer'] as const)(
    'authorization with %s credentials is obtained once and then reused',
    async (scheme) => {
      protect(scheme);
      const { client } = connect(registry.host, known);
      await pushImage(client);
      expect(registry.log.filter((line) => line === 'GET /token')).toHaveLength(scheme === 'basic' ? 0 : 1);
      expect(registry.authorizations.filter((header) => header === undefined)).toHaveLength(1);
    },
  );

  it('renews an expired token', async () => {
    protect('bearer', { tokenSeconds: 0 });
    const { client } = connect(registry.host, known);
    await expect(client.hasBlob(LAYER.digest)).rejects.toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
    registry.behave({ tokenSeconds: 300 });
    expect(await client.hasBlob(LAYER.digest)).toBe(false);
  });

  it.each([
    ['no credentials', 'basic', undefined, {}],
    ['wrong credentials', 'basic', { kind: 'basic', username: 'user', password: `${SECRET}-wrong` }, {}],
    [
      'wrong credentials for a token',
      'bearer',
      { kind: 'basic', username: 'user', password: `${SECRET}-wrong` },
      {},
    ],
    ['a user who may not push', 'basic', known, { mayPush: false }],
    ['a token that does not allow pushing', 'bearer', known, { mayPush: false }],
  ] as const)('fails at once with %s, and reveals no secret', async (_, scheme, credentials, change) => {
    protect(scheme, change);
    const { client, clock } = connect(registry.host, credentials);
    const error = await client.checkPush().catch((caught) => caught);
    expect(error).toBeInstanceOf(OciError);
    expect(error).toMatchObject({
      code: 'REGISTRY_UNAUTHORIZED',
      message: expect.stringMatching(/status 40[13]/),
      hint: expect.stringContaining('docker login'),
    });
    expect(JSON.stringify([error.message, error.hint, error.stack])).not.toContain(SECRET);
    expect(clock.slept).toEqual([]);
  });

  it('does not follow a redirect to another host', async () => {
    const elsewhere = await startFakeRegistry();
    try {
      protect('basic');
      registry.seed(REPOSITORY, CONTENT);
      elsewhere.seed(REPOSITORY, CONTENT);
      proxy = await startFaultProxy(registry.host);
      const { client } = connect(registry.host, known);
      expect(await client.hasBlob(LAYER.digest)).toBe(true);
      proxy.inject(() => 'redirect-elsewhere');
      const redirected = connect(proxy.host, known);
      await expect(redirected.client.openBlob(LAYER)).rejects.toMatchObject({
        code: 'REGISTRY_REFUSED',
        message: expect.stringContaining('elsewhere.invalid'),
      });
      expect(elsewhere.authorizations).toEqual([]);
    } finally {
      await elsewhere.close();
    }
  });
});

describe('a fault in transit', () => {
  const TRANSIENT: readonly Fault[] = [
    'refused',
    'reset-in-response',
    'status-429',
    'status-500',
    'status-503',
    'truncated-body',
    'stalled-body',
  ];

  it.each(TRANSIENT)('%s, once at every step, is retried', async (fault) => {
    proxy = await startFaultProxy(registry.host);
    proxy.inject((_, nth) => (nth === 1 ? fault : undefined));
    const { client, transport } = connect(proxy.host);
    await pushImage(client);
    await client.setTag('1.2.3', MANIFEST, MANIFEST_TYPE);
    expect((await client.getManifest('1.2.3')).digest).toBe(digestOf(MANIFEST));
    const read = await client.attempt('read', async () => buffer(await client.openBlob(LAYER)));
    expect(CONTENT.equals(read)).toBe(true);
    // An empty body can't be cut off or stalled: these requests pass.
    const spoilsBodies = fault === 'truncated-body' || fault === 'stalled-body';
    if (spoilsBodies) expect(transport.retries).toBeGreaterThanOrEqual(2);
    else expect(transport.retries).toBe(proxy.met);
  });

  it('an interrupted upload resumes at the offset that the registry reports', async () => {
    proxy = await startFaultProxy(registry.host);
    proxy.inject((step, nth) => (step === 'upload PATCH' && nth === 1 ? 'reset-in-request' : undefined));
    const { client } = connect(proxy.host);
    const offsets: number[] = [];
    const outcome = await client.uploadBlob(LAYER, (offset) => {
      offsets.push(offset);
      return inPieces(offset);
    });
    expect(outcome.how).toBe('uploaded');
    expect(offsets).toHaveLength(2);
    expect(offsets[0]).toBe(0);
    expect(
      createHash('sha256')
        .update(registry.blobs.get(LAYER.digest) ?? '')
        .digest('hex'),
    ).toBe(LAYER.digest.slice(7));
    expect(registry.openUploads()).toBe(0);
  });

  it.each([
    ['lasting', 0],
    ['at-offset', 0],
    // Nobody learns the new URL of such an upload: it stays until the registry removes it.
    ['at-offset-only', 1],
  ] as const)(
    'an interrupted upload is completed, or canceled by a later process, with upload URLs of kind %s',
    async (uploadUrls, left) => {
      registry.behave({ uploadUrls });
      proxy = await startFaultProxy(registry.host);
      proxy.inject((step, nth) => (step === 'upload PATCH' && nth === 1 ? 'reset-in-request' : undefined));
      const outcome = await connect(proxy.host).client.uploadBlob(LAYER, inPieces);
      expect(outcome.how).toBe('uploaded');
      const before = registry.openUploads();
      expect(before).toBeLessThanOrEqual(left);

      // As if a process had ended before learning that its bytes had arrived.
      const uploads = `http://${registry.host}/v2/${REPOSITORY}/blobs/uploads/`;
      const begun = await fetch(uploads, { method: 'POST' });
      const session = new URL(begun.headers.get('location') ?? '', uploads);
      await fetch(session, { method: 'PATCH', body: CONTENT.subarray(1000) });
      await connect().client.cancelUpload(session.href);
      expect(registry.openUploads() - before).toBe(left);
    },
  );

  it('a persistent status 503 ends in an error after the maximum number of tries', async () => {
    proxy = await startFaultProxy(registry.host);
    proxy.inject(() => 'status-503');
    const { client, clock } = connect(proxy.host);
    await expect(client.hasBlob(LAYER.digest)).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringMatching(/status 503 \(after 6 tries\)$/),
    });
    expect(clock.slept).toHaveLength(5);
  });

  it('status 429 is retried no sooner than Retry-After asks', async () => {
    proxy = await startFaultProxy(registry.host);
    proxy.inject((_, nth) => (nth === 1 ? 'status-429' : undefined));
    const { client, clock } = connect(proxy.host);
    await client.hasBlob(LAYER.digest);
    expect(clock.slept[0]).toBeGreaterThanOrEqual(1000);
  });

  it('a changed byte in a manifest or a blob is reported and not retried', async () => {
    const direct = connect();
    await pushImage(direct.client);
    proxy = await startFaultProxy(registry.host);
    proxy.inject(() => 'changed-byte');
    const { client, clock } = connect(proxy.host);
    await expect(client.getManifest(digestOf(MANIFEST))).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    await expect(
      client.attempt('read', async () => buffer(await client.openBlob(LAYER))),
    ).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect(clock.slept).toEqual([]);
  });

  it.each([true, false])(
    'a changed byte in a manifest put by digest moves no tag, whether or not the registry supports that form: %s',
    async (tagsByDigest) => {
      registry.behave({ tagsByDigest });
      await pushImage(connect().client);
      proxy = await startFaultProxy(registry.host);
      proxy.inject((step) => (step === 'tag PUT' ? 'changed-byte' : undefined));
      const { client, clock } = connect(proxy.host);
      await expect(client.setTag('1.2.3', MANIFEST, MANIFEST_TYPE)).rejects.toMatchObject({
        code: 'REGISTRY_REFUSED',
        message: expect.stringMatching(/set tag 1\.2\.3: .*status 400: DIGEST_INVALID/),
      });
      expect(proxy.met).toBe(1);
      expect(registry.tagMoves).toEqual([]);
      expect(clock.slept).toEqual([]);
    },
  );

  it('an endless body is cut off', async () => {
    proxy = await startFaultProxy(registry.host);
    proxy.inject(() => 'endless-body');
    const { client } = connect(proxy.host);
    await expect(client.getManifest('1.2.3')).rejects.toMatchObject({
      code: 'REGISTRY_RESPONSE',
      message: expect.stringContaining('at most'),
    });
    await expect(client.listTags()).rejects.toMatchObject({ code: 'REGISTRY_RESPONSE' });
    await expect(buffer(await client.openBlob(LAYER))).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
  });

  it("status 400 is not retried, and the error contains the registry's message", async () => {
    const { client, clock } = connect();
    await expect(client.putManifest('1.2.3', MANIFEST, MANIFEST_TYPE)).rejects.toMatchObject({
      code: 'REGISTRY_NOT_FOUND',
      message: expect.stringContaining('MANIFEST_BLOB_UNKNOWN: blob sha256:'),
    });
    expect(clock.slept).toEqual([]);
  });
});
