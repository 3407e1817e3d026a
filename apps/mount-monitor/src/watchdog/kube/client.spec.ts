import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FakeCluster, reply, status } from '../../../testing/kube/cluster.ts';
import { type FakeKubeServer, startFakeKubeServer } from '../../../testing/kube/server.ts';
import { createKubeTransport, parseRetryAfter, requestPath } from './client.ts';
import type { KubeError } from './errors.ts';
import { parseNamespace, parsePodName } from './names.ts';

const failure = async (promise: Promise<unknown>): Promise<Pick<KubeError, 'code' | 'message' | 'hint'>> => {
  try {
    await promise;
  } catch (error) {
    return error as KubeError;
  }
  throw new Error('expected a failure');
};

describe.each(['127.0.0.1', '::1'] as const)('transport to %s', (host) => {
  const cluster = new FakeCluster();
  let server: FakeKubeServer;
  beforeAll(async () => {
    server = await startFakeKubeServer(cluster, host);
    cluster.addPod({ name: 'media-0' });
    cluster.rules = [{ verb: 'get', resource: 'pods' }];
  });
  afterAll(() => server.close());
  afterEach(() => {
    cluster.faults.length = 0;
    server.freezeHandshakes(false);
  });
  const get = (change: object = {}) =>
    createKubeTransport(server)({
      verb: 'get',
      path: ['api', 'v1', 'namespaces', 'media', 'pods', 'media-0'],
      ...change,
    });

  it('the transport reads an answer over TLS, verified by the cluster’s CA', async () => {
    expect(await get()).toMatchObject({ status: 200, body: { metadata: { name: 'media-0' } } });
  });

  it('the token is read again for each request', async () => {
    await server.rotateToken(`token-of-${host}`);
    expect(await get()).toMatchObject({ status: 200 });
    expect(cluster.calls.at(-1)?.request.authorization).toBe(`Bearer token-of-${host}`);
  });

  it('every status is returned, with Retry-After in ms', async () => {
    cluster.fail(() => true, status(429, 'TooManyRequests', 'slow', { 'Retry-After': '3' }));
    expect(await get()).toMatchObject({
      status: 429,
      retryAfterMs: 3000,
      body: { reason: 'TooManyRequests' },
    });
  });

  it('redirects are not followed', async () => {
    cluster.fail(() => true, reply(307, {}, { Location: '/api/v1/namespaces/media/pods/other' }));
    expect(await get()).toMatchObject({ status: 307 });
    expect(cluster.calls.map(({ name }) => name)).not.toContain('other');
  });

  it.each([
    ['reset', 'closed'],
    ['truncated', 'closed'],
    ['flood', 'body'],
  ] as const)('the transport fails on a %s with the code %s', async (kind, code) => {
    cluster.fail(() => true, { kind });
    expect((await failure(get())).code).toBe(code);
  });

  it('a request fails at its deadline if the server never answers', async () => {
    cluster.fail(() => true, { kind: 'silence' });
    expect(await failure(get({ deadlineMs: 300 }))).toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('300 ms'),
    });
  });

  it('a connection may take 5 s, including the handshake', async () => {
    server.freezeHandshakes(true);
    const started = performance.now();
    expect((await failure(get())).code).toBe('connect');
    expect(performance.now() - started).toBeGreaterThan(4900);
  });

  it('a request ends immediately when aborted', async () => {
    cluster.fail(() => true, { kind: 'silence' });
    const closing = new AbortController();
    const before = cluster.calls.length;
    const failed = failure(get({ signal: closing.signal }));
    // Wait until the request has arrived, so that the next test does not see it.
    await expect.poll(() => cluster.calls.length, { timeout: 20_000 }).toBe(before + 1);
    closing.abort();
    expect((await failed).code).toBe('aborted');
  });

  it('a request that is no longer wanted is withdrawn', async () => {
    const path = ['api', 'v1', 'namespaces', 'media', 'pods', 'withheld'];
    expect((await failure(get({ path, confirm: () => false }))).code).toBe('withheld');
    expect(cluster.calls.map(({ name }) => name)).not.toContain('withheld');
  });

  it('the error names the address that refused the connection', async () => {
    const closed = createKubeTransport({ ...server, port: 1 });
    const authority = host === '::1' ? '[::1]:1' : '127.0.0.1:1';
    const error = await failure(closed({ verb: 'get', path: ['version'] }));
    expect(error).toMatchObject({ code: 'connect', message: expect.stringContaining(authority) });
  });
});

describe('credentials', () => {
  const cluster = new FakeCluster();
  let server: FakeKubeServer;
  let folder: string;
  beforeAll(async () => {
    server = await startFakeKubeServer(cluster);
    folder = await mkdtemp(join(tmpdir(), 'credentials-'));
  });
  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  it.each([
    ['without a token', undefined, 'token'],
    ['with an empty token', '', 'token'],
    ['with a token of two lines', 'a\nX-Injected: b', 'token'],
  ])('requests fail %s, and the message does not contain it', async (_, token, named) => {
    await rm(join(folder, 'token'), { force: true });
    await writeFile(join(folder, 'ca.crt'), 'x');
    if (token !== undefined) await writeFile(join(folder, 'token'), token);
    const transport = createKubeTransport({ ...server, serviceAccountDir: folder });
    const error = await failure(transport({ verb: 'get', path: ['version'] }));
    expect(error).toMatchObject({
      code: 'credentials',
      message: expect.stringContaining(`${folder}/${named}`),
    });
    expect(error.message).not.toContain('Injected');
    expect(cluster.calls).toEqual([]);
  });

  it.each([
    ['is empty', ''],
    ['contains only white space', ' \n'],
    ['contains no certificate', 'MIIB'],
    ['contains a broken certificate', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'],
  ])('requests fail if ca.crt %s, and no other authority is trusted instead', async (_, ca) => {
    await writeFile(join(folder, 'token'), 'token-1');
    await writeFile(join(folder, 'ca.crt'), ca);
    const transport = createKubeTransport({ ...server, serviceAccountDir: folder });
    expect(await failure(transport({ verb: 'get', path: ['version'] }))).toMatchObject({
      code: 'credentials',
      message: expect.stringContaining(`${folder}/ca.crt`),
    });
    expect(cluster.calls).toEqual([]);
  });

  it.each([
    [
      'of another authority',
      async (path: string) => {
        const other = await startFakeKubeServer(new FakeCluster());
        const { readFile } = await import('node:fs/promises');
        await writeFile(path, await readFile(join(other.serviceAccountDir, 'ca.crt')));
        await other.close();
      },
    ],
    ['that is not a certificate', (path: string) => writeFile(path, 'broken')],
  ])('requests fail with a CA %s before the token is sent', async (_, spoil) => {
    await spoil(join(folder, 'ca.crt'));
    await writeFile(join(folder, 'token'), 'secret-token');
    const transport = createKubeTransport({ ...server, serviceAccountDir: folder });
    const error = await failure(transport({ verb: 'get', path: ['version'] }));
    expect(['connect', 'credentials']).toContain(error.code);
    expect(error.message).not.toContain('secret-token');
    expect(cluster.calls).toEqual([]);
  });
});

describe('names and paths', () => {
  it('names never accept a text that is not a single path segment', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('a', '.', '/', '-', '%', '2', 'e') })),
        (text) => {
          for (const parsed of [parsePodName(text), parseNamespace(text)]) {
            if (parsed === undefined) continue;
            const path = requestPath({ verb: 'delete', path: ['pods', parsed] });
            expect(new URL(path, 'https://kube').pathname).toBe(`/pods/${text}`);
            expect(path.split('/').length).toBe(3);
            expect(text).not.toBe('');
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each(['', '.', '..', 'a/b', 'a b', '%2e', 'a?b', 'a#b'])('a path rejects the segment %j', (segment) => {
    expect(() => requestPath({ verb: 'delete', path: ['pods', segment] })).toThrow(/path segment/);
  });

  it('names may be as long as the limit', () => {
    expect(parsePodName('a'.repeat(253))).toBeDefined();
    expect(parsePodName('a'.repeat(254))).toBeUndefined();
    expect(parseNamespace('a'.repeat(63))).toBeDefined();
    expect(parseNamespace('a'.repeat(64))).toBeUndefined();
  });
});

it.each([
  [undefined, undefined],
  ['0', 0],
  ['120', 120_000],
  ['Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
  ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
  ['soon', undefined],
  ['-5', undefined],
])('Retry-After %s is parsed as %s ms', (value, ms) => {
  expect(parseRetryAfter(value, Date.UTC(2026, 0, 1))).toBe(ms);
});
