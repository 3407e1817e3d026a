import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  type FakeRegistry,
  type Fault,
  type Step,
  sleepingClock,
  startFakeRegistry,
  startFaultProxy,
} from '@prebuilt/testing/registry';
import { describe, expect, it } from 'vitest';
import { type Descriptor, MEDIA_TYPES } from '../descriptor.ts';
import { digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';
import { attach } from './attachment.ts';
import { readImage } from './image-reading.ts';
import { referrersTag } from './referrers.ts';
import { createRepositoryClient, type RepositoryClient } from './repository.ts';
import { DEFAULT_RETRY_LIMITS } from './retry.ts';
import { createTransport } from './transport/index.ts';

// How long a connection may go without a byte before it counts as stalled: short if it does stall, very long if it
// never does.
const STALLED_MS = 2000;
const BUSY_MS = 30_000;
// Requests and responses of these steps have no body that could stall.
const BODILESS: readonly Step[] = ['upload POST', 'upload PUT'];
const AMD64 = { os: 'linux', architecture: 'amd64' };
const LAYER = Buffer.alloc(5000, 'layer');
const SBOM = Buffer.alloc(5000, '{"bomFormat":"CycloneDX"} ');

/** The outcome of each fault: no visible effect, a retry, or the error code or outcome that it ends with. */
type Row = Readonly<Record<Fault, string>>;

const TRANSIENT = {
  refused: 'retried',
  'reset-in-request': 'retried',
  'reset-in-response': 'retried',
  'status-429': 'retried',
  'status-500': 'retried',
  'stalled-body': 'retried',
  'truncated-body': 'retried',
} as const;

const READING: Readonly<Partial<Record<Step, Row>>> = {
  'manifest GET': {
    ...TRANSIENT,
    'status-503': 'REGISTRY_UNAVAILABLE',
    'changed-byte': 'REGISTRY_RESPONSE',
    'redirect-elsewhere': 'REGISTRY_REFUSED',
    'endless-body': 'REGISTRY_RESPONSE',
  },
  'blob GET': {
    ...TRANSIENT,
    'status-503': 'REGISTRY_UNAVAILABLE',
    'changed-byte': 'DIGEST_MISMATCH',
    'redirect-elsewhere': 'REGISTRY_REFUSED',
    'endless-body': 'SIZE_MISMATCH',
  },
};
// None of these is an error: an artifact that could not be attached is an outcome, and the image's tags move anyway.
const ATTACHING: Readonly<Partial<Record<Step, Row>>> = {
  'blob HEAD': {
    ...TRANSIENT,
    'status-503': 'refused: upload',
    'changed-byte': 'unharmed',
    'redirect-elsewhere': 'refused: upload',
    'endless-body': 'refused: manifest',
  },
  'upload POST': {
    ...TRANSIENT,
    'stalled-body': 'unharmed',
    'truncated-body': 'unharmed',
    'status-503': 'refused: upload',
    'changed-byte': 'unharmed',
    'redirect-elsewhere': 'refused: upload',
    'endless-body': 'refused: upload',
  },
  'upload PATCH': {
    ...TRANSIENT,
    'truncated-body': 'unharmed',
    'status-503': 'refused: upload',
    'changed-byte': 'refused: upload',
    'redirect-elsewhere': 'refused: upload',
    'endless-body': 'refused: upload',
  },
  'upload PUT': {
    ...TRANSIENT,
    'stalled-body': 'unharmed',
    'truncated-body': 'unharmed',
    'status-503': 'refused: upload',
    'changed-byte': 'unharmed',
    'redirect-elsewhere': 'refused: upload',
    'endless-body': 'refused: upload',
  },
  'manifest HEAD': {
    ...TRANSIENT,
    'status-503': 'refused: manifest',
    'changed-byte': 'unharmed',
    'redirect-elsewhere': 'refused: manifest',
    'endless-body': 'unharmed',
  },
  'manifest PUT': {
    ...TRANSIENT,
    'truncated-body': 'unharmed',
    'status-503': 'refused: manifest',
    'changed-byte': 'refused: manifest',
    'redirect-elsewhere': 'refused: manifest',
    'endless-body': 'refused: manifest',
  },
  'manifest GET': {
    ...TRANSIENT,
    'stalled-body': 'unharmed',
    'truncated-body': 'unharmed',
    'status-503': 'unlisted',
    'changed-byte': 'unharmed',
    'redirect-elsewhere': 'unlisted',
    'endless-body': 'unlisted',
  },
  'tag PUT': {
    ...TRANSIENT,
    'truncated-body': 'unharmed',
    'status-503': 'unlisted',
    'changed-byte': 'unlisted',
    'redirect-elsewhere': 'unlisted',
    'endless-body': 'unlisted',
  },
  'tag PUT by name': {
    ...TRANSIENT,
    'truncated-body': 'unharmed',
    'status-503': 'unlisted',
    'changed-byte': 'retried',
    'redirect-elsewhere': 'unlisted',
    'endless-body': 'unlisted',
  },
};

const FAULTS = Object.keys({
  ...TRANSIENT,
  'status-503': '',
  'changed-byte': '',
  'redirect-elsewhere': '',
  'endless-body': '',
}) as readonly Fault[];

const descriptorOf = (bytes: Buffer, mediaType: string): Descriptor => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
});

function seedImage(registry: FakeRegistry): Descriptor {
  const config = Buffer.from(JSON.stringify({ ...AMD64, rootfs: { type: 'layers', diff_ids: [] } }));
  for (const blob of [config, LAYER]) registry.seed('a/b', blob);
  const put = (content: object): Descriptor => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...content }));
    const mediaType = 'manifests' in content ? MEDIA_TYPES.index : MEDIA_TYPES.manifest;
    registry.manifests.set(`a/b@${digestOf(bytes)}`, { bytes, mediaType });
    return descriptorOf(bytes, mediaType);
  };
  const image = put({
    mediaType: MEDIA_TYPES.manifest,
    config: descriptorOf(config, MEDIA_TYPES.config),
    layers: [descriptorOf(LAYER, MEDIA_TYPES.layerGzip)],
  });
  const index = put({ mediaType: MEDIA_TYPES.index, manifests: [{ ...image, platform: AMD64 }] });
  registry.tags.set('a/b:1.2.3', index.digest);
  return index;
}

async function readBase(client: RepositoryClient): Promise<string> {
  try {
    const { layers } = await readImage(client, '1.2.3', AMD64);
    const read = await client.attempt('read a layer', async () =>
      buffer(await client.openBlob(layers[0] as Descriptor)),
    );
    expect(read.equals(LAYER)).toBe(true);
    return 'read';
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    // A tag may point to any bytes: if they are not an image, the error names the tag.
    expect(error.message).toMatch(/^(?:127\.0\.0\.1:\d+\/a\/b|1\.2\.3): /);
    return error.code;
  }
}

async function attachSbom(client: RepositoryClient, index: Descriptor): Promise<string> {
  const descriptor = descriptorOf(SBOM, 'application/vnd.cyclonedx+json');
  const open = (offset: number): Readable => Readable.from([SBOM.subarray(offset)]);
  const artifact = { artifactType: descriptor.mediaType, annotations: {}, layers: [{ descriptor, open }] };
  const attached = await attach(client, index, artifact);
  if (attached.outcome !== 'attached') expect(attached.reason).toMatch(/^127\.0\.0\.1:\d+\/a\/b: /);
  return attached.outcome === 'refused' ? `refused: ${attached.step}` : attached.outcome;
}

/** The outcome of a fault at the first request of a step, or, if it persists, at all of its requests. */
async function outcomeOf(
  step: Step,
  fault: Fault,
  work: (client: RepositoryClient, index: Descriptor) => Promise<string>,
  well: string,
): Promise<string> {
  const registry = await startFakeRegistry({ referrers: false, tagsByDigest: step !== 'tag PUT by name' });
  const index = seedImage(registry);
  const proxy = await startFaultProxy(registry.host);
  const clock = sleepingClock();
  const transport = createTransport({
    environment: {},
    plainHttp: false,
    limits: DEFAULT_RETRY_LIMITS,
    clock,
    signal: new AbortController().signal,
    idleMs: fault === 'stalled-body' && !BODILESS.includes(step) ? STALLED_MS : BUSY_MS,
  });
  try {
    proxy.inject((at, nth) => (at === step && (nth === 1 || fault === 'status-503') ? fault : undefined));
    const repository = { registry: proxy.host, repository: 'a/b' };
    const credentials = async () => undefined;
    const client = createRepositoryClient({ ...repository, transport, credentials, clock });
    const outcome = await work(client, index);
    expect(proxy.met, `${fault} at ${step}`).toBeGreaterThan(0);
    // Whatever happens to the artifact, the image's own tag stays.
    expect(registry.tags.get('a/b:1.2.3')).toBe(index.digest);
    const listed = registry.tags.get(`a/b:${referrersTag(index.digest)}`);
    if (outcome === 'attached') expect(registry.manifests.has(`a/b@${listed}`)).toBe(true);
    if (outcome !== well) return outcome;
    return transport.retries > 0 ? 'retried' : 'unharmed';
  } finally {
    await transport.close();
    await proxy.close();
    await registry.close();
  }
}

describe.each([
  ['while reading a base', READING, ['manifest GET', 'blob GET'], readBase, 'read'],
  [
    'while attaching an artifact',
    ATTACHING,
    [
      'blob HEAD',
      'upload POST',
      'upload PATCH',
      'upload PUT',
      'manifest HEAD',
      'manifest PUT',
      'manifest GET',
      'tag PUT',
      'tag PUT by name',
    ],
    attachSbom,
    'attached',
  ],
] as const)('a fault %s', (_title, table, steps, work, well) => {
  it.concurrent.each(steps)('a fault at %s has the outcome in the table', async (step) => {
    const row = await Promise.all(
      FAULTS.map(async (fault) => [fault, await outcomeOf(step, fault, work, well)] as const),
    );
    expect(Object.fromEntries(row)).toEqual(table[step]);
  });
});
