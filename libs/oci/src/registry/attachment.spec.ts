import { Readable } from 'node:stream';
import { type FakeRegistry, QUIRKS, sleepingClock, startFakeRegistry } from '@prebuilt/testing/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Descriptor, MEDIA_TYPES } from '../descriptor.ts';
import { digestOf } from '../digest.ts';
import { type Artifact, attach } from './attachment.ts';
import { referrersTag } from './referrers.ts';
import { createRepositoryClient, type RepositoryClient } from './repository.ts';
import { DEFAULT_RETRY_LIMITS } from './retry.ts';
import { createTransport, type Transport } from './transport/index.ts';

const SUBJECT: Descriptor = { mediaType: MEDIA_TYPES.index, digest: digestOf('image'), size: 5 };
const TAG = `a/b:${referrersTag(SUBJECT.digest)}`;

let registry: FakeRegistry;
const transports: Transport[] = [];
beforeEach(async () => {
  registry = await startFakeRegistry({ referrers: false });
});
afterEach(async () => {
  await Promise.all(transports.splice(0).map((transport) => transport.close()));
  await registry.close();
});

function connect(): RepositoryClient {
  const clock = sleepingClock();
  const transport = createTransport({
    environment: {},
    plainHttp: false,
    limits: DEFAULT_RETRY_LIMITS,
    clock,
    signal: new AbortController().signal,
    idleMs: 2000,
  });
  transports.push(transport);
  const credentials = async (): Promise<undefined> => undefined;
  return createRepositoryClient({
    registry: registry.host,
    repository: 'a/b',
    transport,
    credentials,
    clock,
  });
}

function artifactOf(text: string): Artifact {
  const content = Buffer.from(text);
  const descriptor = { mediaType: 'text/plain', digest: digestOf(content), size: content.length };
  const open = (offset: number): Readable => Readable.from([content.subarray(offset)]);
  return { artifactType: 'application/x', annotations: { name: text }, layers: [{ descriptor, open }] };
}

function listed(): readonly string[] {
  const { bytes } = registry.manifests.get(`a/b@${registry.tags.get(TAG)}`) ?? { bytes: Buffer.from('{}') };
  const { manifests = [] } = JSON.parse(bytes.toString('utf8'));
  return manifests.map((each: { annotations: { name: string } }) => each.annotations.name).sort();
}

describe('attaching by tag', () => {
  it('attaching by tag keeps existing entries and lists nothing twice', async () => {
    for (const text of ['one', 'two', 'one'])
      expect(await attach(connect(), SUBJECT, artifactOf(text))).toMatchObject({
        outcome: 'attached',
        listedBy: 'tag',
      });
    expect(listed()).toEqual(['one', 'two']);
  });

  it.each([false, true])(
    'attaching by tag loses nothing that is added between reading and writing, with entity tags: %s',
    async (entityTags) => {
      registry.behave({ entityTags });
      await attach(connect(), SUBJECT, artifactOf('first'));
      const late = connect();
      const { replaceTag } = late;
      let others = 0;
      const raced: RepositoryClient = {
        ...late,
        // Another client interferes: before the tag is written if the registry checks for that, otherwise right after.
        replaceTag: async (...given) => {
          others += 1;
          if (others > 1) return replaceTag(...given);
          if (entityTags) await attach(connect(), SUBJECT, artifactOf('other'));
          const replaced = await replaceTag(...given);
          if (!entityTags) {
            const former = registry.tags.get(TAG) ?? '';
            await attach(connect(), SUBJECT, artifactOf('other'));
            // As if the other client had read before us: it knows nothing of our entry.
            const { bytes } = registry.manifests.get(`a/b@${registry.tags.get(TAG)}`) ?? {
              bytes: Buffer.alloc(0),
            };
            const index = JSON.parse(bytes.toString('utf8'));
            const without = index.manifests.filter(
              (each: { annotations: { name: string } }) => each.annotations.name !== 'late',
            );
            const lost = Buffer.from(JSON.stringify({ ...index, manifests: without }));
            registry.manifests.set(`a/b@${digestOf(lost)}`, { bytes: lost, mediaType: MEDIA_TYPES.index });
            registry.tags.set(TAG, digestOf(lost));
            expect(former).not.toBe(digestOf(lost));
          }
          return replaced;
        },
      };
      expect(await attach(raced, SUBJECT, artifactOf('late'))).toMatchObject({
        outcome: 'attached',
        listedBy: 'tag',
      });
      expect(listed()).toEqual(['first', 'late', 'other']);
      expect(others).toBe(2);
    },
  );

  it("returns a refusing registry's own message, cleaned", async () => {
    const quirk = QUIRKS.filter(({ name }) => name.startsWith('refuses artifact types'));
    registry.behave({ quirks: quirk });
    const outcome = await attach(connect(), SUBJECT, artifactOf('x'));
    expect(outcome).toMatchObject({ outcome: 'refused', step: 'manifest', status: 400 });
    expect(outcome).toMatchObject({
      reason: expect.stringContaining(
        'MANIFEST_INVALID: manifest invalid: {"message":"unknown media type: application/vnd.cyclonedx+json"}',
      ),
    });
  });

  it("throws any error other than a registry's refusal", async () => {
    const failing: Artifact = {
      ...artifactOf('x'),
      layers: artifactOf('x').layers.map(({ descriptor }) => ({
        descriptor,
        open: () => {
          throw new TypeError('a defect');
        },
      })),
    };
    await expect(attach(connect(), SUBJECT, failing)).rejects.toThrow('a defect');
  });
});
