import { type FakeRegistry, type Quirk, sleepingClock, startFakeRegistry } from '@prebuilt/testing/registry';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MEDIA_TYPES } from '../descriptor.ts';
import { digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';
import { isTag } from '../reference.ts';
import { readReferrers } from './referrers.ts';
import { createRepositoryClient, type RepositoryClient } from './repository.ts';
import { DEFAULT_RETRY_LIMITS } from './retry.ts';
import { readTags } from './tags.ts';
import { createTransport, type Transport } from './transport/index.ts';

const indexOf = (version: number): Buffer =>
  Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [], version }));
const [OLD, NEW, OTHER] = [indexOf(1), indexOf(2), indexOf(3)] as const;

let registry: FakeRegistry;
let transport: Transport;
let clock: ReturnType<typeof sleepingClock>;
let client: RepositoryClient;

beforeEach(async () => {
  registry = await startFakeRegistry();
  clock = sleepingClock();
  transport = createTransport({
    environment: {},
    plainHttp: false,
    limits: DEFAULT_RETRY_LIMITS,
    clock,
    signal: new AbortController().signal,
    idleMs: 2000,
  });
  const credentials = async (): Promise<undefined> => undefined;
  client = createRepositoryClient({
    registry: registry.host,
    repository: 'a/b',
    transport,
    credentials,
    clock,
  });
});
afterEach(async () => {
  await transport.close();
  await registry.close();
});

/** After the tag `v` has been set, shows it pointing to `shown` for the given number of reads. */
const showing = (shown: Buffer | undefined, looks: number): Quirk => ({
  name: 'shows something else for a while',
  source: 'https://github.com/distribution/distribution/issues/1013',
  start: () => {
    let left = looks;
    return {
      after: ({ method, kind, rest }, given) => {
        if (method === 'PUT' || kind !== 'manifests' || rest !== 'v' || left === 0) return given;
        left -= 1;
        if (shown === undefined) return { status: 404, headers: {} };
        const headers = { 'content-type': MEDIA_TYPES.index, 'docker-content-digest': digestOf(shown) };
        return { status: 200, headers, body: shown };
      },
    };
  },
});

async function setNew(): Promise<void> {
  for (const each of [OLD, NEW, OTHER]) await client.putManifest(digestOf(each), each, MEDIA_TYPES.index);
  registry.tags.set('a/b:v', digestOf(OLD));
  await client.setTag('v', NEW, MEDIA_TYPES.index);
}

describe('confirmTag', () => {
  it('waits while a tag still points to its previous content', async () => {
    await setNew();
    registry.behave({ quirks: [showing(OLD, 3)] });
    expect(await client.confirmTag('v', digestOf(NEW))).toEqual({ state: 'named' });
    expect(clock.slept).toHaveLength(3);
  });

  it('reports a tag that keeps pointing to its previous content as lagging', async () => {
    await setNew();
    registry.behave({ quirks: [showing(OLD, 1000)] });
    const { tries } = DEFAULT_RETRY_LIMITS;
    expect(await client.confirmTag('v', digestOf(NEW))).toEqual({ state: 'lagging', found: digestOf(OLD) });
    expect(clock.slept).toHaveLength(tries - 1);
  });

  it('reports a tag that points to unknown content as moved, without waiting any longer', async () => {
    await setNew();
    registry.tags.set('a/b:v', digestOf(OTHER));
    expect(await client.confirmTag('v', digestOf(NEW))).toEqual({ state: 'moved', found: digestOf(OTHER) });
    expect(clock.slept).toHaveLength(1);
  });

  it('tolerates one response from a server that is far behind', async () => {
    await setNew();
    registry.behave({ quirks: [showing(OTHER, 1)] });
    expect(await client.confirmTag('v', digestOf(NEW))).toEqual({ state: 'named' });
  });

  it('reports a new tag that is not shown yet as lagging, not as removed', async () => {
    for (const each of [OLD, NEW]) await client.putManifest(digestOf(each), each, MEDIA_TYPES.index);
    await client.setTag('v', NEW, MEDIA_TYPES.index);
    registry.behave({ quirks: [showing(undefined, 1000)] });
    expect(await client.confirmTag('v', digestOf(NEW))).toEqual({ state: 'lagging', found: undefined });
    await client.setTag('w', OLD, MEDIA_TYPES.index);
    expect(await client.headManifest('w')).toBe(digestOf(OLD));
  });
});

describe('missing content', () => {
  it('waits for missing content only if this run wrote it', async () => {
    expect(await client.headManifest(digestOf(NEW))).toBeUndefined();
    await expect(client.getManifest(digestOf(NEW))).rejects.toMatchObject({ code: 'REGISTRY_NOT_FOUND' });
    expect(await client.hasBlob(digestOf('x'))).toBe(false);
    expect(clock.slept).toEqual([]);
    await client.putManifest(digestOf(NEW), NEW, MEDIA_TYPES.index);
    registry.manifests.clear();
    await expect(client.getManifest(digestOf(NEW))).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      hint: expect.stringContaining('does not show it yet'),
    });
    expect(clock.slept).toHaveLength(DEFAULT_RETRY_LIMITS.tries - 1);
  });

  it('too many requests are reported as a rate limit', async () => {
    const limits = {
      name: 'x',
      source: 'x',
      start: () => ({ before: () => ({ status: 429, headers: {} }) }),
    };
    registry.behave({ quirks: [limits] });
    await expect(client.getManifest('v')).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      hint: expect.stringContaining('limits the number of requests'),
    });
  });
});

describe('lists', () => {
  const answer = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }),
    fc
      .record({
        tags: fc.oneof(fc.array(fc.oneof(fc.string(), fc.constant(null), fc.integer())), fc.object()),
      })
      .map((each) => JSON.stringify(each)),
    fc
      .record({ manifests: fc.oneof(fc.array(fc.oneof(fc.object(), fc.constant(null))), fc.anything()) })
      .map((each) => JSON.stringify(each)),
  );

  it('any response yields a list of valid tags or a typed error', () => {
    fc.assert(
      fc.property(answer, (text) => {
        try {
          expect(readTags('list', Buffer.from(text ?? '')).names.every(isTag)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(OciError);
        }
      }),
    );
  });

  it('any response yields a list of valid referrers or a typed error', () => {
    fc.assert(
      fc.property(answer, (text) => {
        try {
          for (const { digest, size } of readReferrers('list', Buffer.from(text ?? ''))) {
            expect(digest).toMatch(/^sha256:/);
            expect(Number.isSafeInteger(size)).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(OciError);
        }
      }),
    );
  });
});
