import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/testing/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { digestOf } from '../../digest.ts';
import { createRepositoryClient, type RepositoryClient } from '../repository.ts';
import { DEFAULT_RETRY_LIMITS, type RetryClock } from '../retry.ts';

import { createTransport, type Transport } from './transport.ts';

const CONTENT = Buffer.from('a layer');
const LAYER = { mediaType: 'application/octet-stream', digest: digestOf(CONTENT), size: CONTENT.length };
const USER = { username: 'user', password: 'canary-password' };
const CLOCK: RetryClock = { now: Date.now, random: () => 0.5, sleep: async () => {} };

/** A server on loopback that is closed after the test. */
interface Listening {
  readonly host: string;
  readonly seen: string[];
  readonly authorizations: (string | undefined)[];
}

describe('the transport', () => {
  let registry: FakeRegistry;
  const endings: (() => Promise<void> | void)[] = [];

  beforeEach(async () => {
    registry = await startFakeRegistry();
    registry.seed('owner/app', CONTENT);
  });
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
    await registry.close();
  });

  function client(
    host: string,
    environment: Readonly<Record<string, string>>,
    { plainHttp = false, credentials = false } = {},
  ): RepositoryClient {
    const transport: Transport = createTransport({
      environment,
      plainHttp,
      limits: { ...DEFAULT_RETRY_LIMITS, tries: 1 },
      clock: CLOCK,
      signal: new AbortController().signal,
      idleMs: 5000,
    });
    endings.push(() => transport.close());
    return createRepositoryClient({
      registry: host,
      repository: 'owner/app',
      transport,
      credentials: async () => (credentials ? { kind: 'basic', ...USER } : undefined),
      clock: CLOCK,
    });
  }

  // A proxy that forwards requests for any host to the registry.
  async function startProxy(): Promise<Listening> {
    const seen: string[] = [];
    const server = createServer((incoming, response) => {
      const { method = 'GET', url = '', headers } = incoming;
      seen.push(`${method} ${url}`);
      const { pathname, search } = new URL(url);
      const onward = request(`http://${registry.host}${pathname}${search}`, { method, headers });
      onward.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      incoming.pipe(onward);
    });
    return listen(server, seen);
  }

  async function listen(server: ReturnType<typeof createServer>, seen: string[]): Promise<Listening> {
    const authorizations: (string | undefined)[] = [];
    server.on('request', (incoming) => authorizations.push(incoming.headers.authorization));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    endings.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen, authorizations };
  }

  it('uses the proxy from the environment', async () => {
    const proxy = await startProxy();
    const environment = { HTTP_PROXY: `http://${proxy.host}` };
    const far = client('registry.invalid:5000', environment, { plainHttp: true });
    expect(await far.hasBlob(LAYER.digest)).toBe(true);
    expect(proxy.seen).toEqual([`HEAD http://registry.invalid:5000/v2/owner/app/blobs/${LAYER.digest}`]);
  });

  it.each([
    ['http', true],
    ['https', false],
  ] as const)('names the proxy if it refuses %s', async (_, plainHttp) => {
    const server = createServer((_request, response) => response.writeHead(407).end());
    server.on('connect', (_request, socket) =>
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'),
    );
    const refusing = await listen(server, []);
    const environment = plainHttp
      ? { HTTP_PROXY: 'http://user:canary@127.0.0.1:1' }
      : { HTTPS_PROXY: `http://user:canary@${refusing.host}` };
    const error: Error = await client('registry.invalid', environment, { plainHttp })
      .hasBlob(LAYER.digest)
      .then(
        () => new Error('was let through'),
        (caught) => caught,
      );
    expect(error).toMatchObject({ code: 'REGISTRY_UNAVAILABLE', hint: expect.stringContaining('NO_PROXY') });
    expect(error.message).toContain('through the proxy http://127.0.0.1');
    expect(`${error.message}${error.stack}`).not.toContain('canary');
  });

  it('says what to check if a host has no address', async () => {
    await expect(client('registry.invalid', {}).hasBlob(LAYER.digest)).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringContaining('ENOTFOUND'),
      hint: expect.stringContaining("registry's host"),
    });
  });

  it('never uses a proxy for this machine', async () => {
    const environment = { HTTP_PROXY: 'http://127.0.0.1:1' };
    expect(await client(registry.host, environment).hasBlob(LAYER.digest)).toBe(true);
  });

  it('bypasses the proxy for hosts in NO_PROXY', async () => {
    const proxy = await startProxy();
    const environment = { HTTP_PROXY: `http://${proxy.host}`, NO_PROXY: '127.0.0.1' };
    expect(await client(registry.host, environment).hasBlob(LAYER.digest)).toBe(true);
    expect(proxy.seen).toEqual([]);
  });

  it('uses HTTPS for a host that is not loopback, and plain HTTP only on request', () => {
    const base = (plainHttp: boolean, host: string): string => {
      const transport = createTransport({
        environment: {},
        plainHttp,
        limits: DEFAULT_RETRY_LIMITS,
        clock: CLOCK,
        signal: new AbortController().signal,
        idleMs: 5000,
      });
      endings.push(() => transport.close());
      return transport.baseUrl(host).href;
    };
    expect(base(false, 'registry.example')).toBe('https://registry.example/v2/');
    expect(base(true, 'registry.example')).toBe('http://registry.example/v2/');
    expect(base(false, '127.0.0.1:5000')).toBe('http://127.0.0.1:5000/v2/');
    expect(base(false, 'docker.io')).toBe('https://registry-1.docker.io/v2/');
  });

  it('follows a blob redirect to another host without sending the authorization', async () => {
    const store = await listen(
      createServer((_, response) =>
        response.writeHead(200, { 'content-length': CONTENT.length }).end(CONTENT),
      ),
      [],
    );
    const front = await listen(
      createServer((incoming, response) => {
        if (incoming.headers.authorization === undefined) {
          response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
          return;
        }
        response.writeHead(307, { location: `http://${store.host}/blob?signature=secret` }).end();
      }),
      [],
    );
    const blob = await client(front.host, {}, { credentials: true }).openBlob(LAYER);
    expect(await buffer(blob)).toEqual(CONTENT);
    expect(front.authorizations.at(-1)).toMatch(/^Basic /);
    expect(store.authorizations).toEqual([undefined]);
  });

  it('does not send the authorization to another host that a registry gives for an upload', async () => {
    const store = await listen(
      createServer((_, response) => response.writeHead(403).end()),
      [],
    );
    const front = await listen(
      createServer((incoming, response) => {
        if (incoming.headers.authorization === undefined) {
          response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        } else if (incoming.method === 'HEAD') response.writeHead(404).end();
        else response.writeHead(202, { location: `http://${store.host}/upload?signature=secret` }).end();
      }),
      [],
    );
    const other = { ...LAYER, digest: digestOf('other') };
    const failed = client(front.host, {}, { credentials: true }).uploadBlob(other, () =>
      Readable.from([CONTENT]),
    );
    const error: Error = await failed.then(
      () => new Error('was uploaded'),
      (caught) => caught,
    );
    expect(error).toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
    expect(error.message).not.toContain('signature');
    expect(store.authorizations.length).toBeGreaterThan(0);
    expect(store.authorizations.every((header) => header === undefined)).toBe(true);
  });

  it.each(['http://elsewhere.invalid/token', 'https://user:secret@elsewhere.invalid/token', 'no url'])(
    'sends no password to a token server at %s',
    async (realm) => {
      const front = await listen(
        createServer((_, response) =>
          response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end(),
        ),
        [],
      );
      const error: Error = await client(front.host, {}, { credentials: true })
        .hasBlob(LAYER.digest)
        .then(
          () => new Error('was let in'),
          (caught) => caught,
        );
      expect(error).toMatchObject({ code: expect.stringMatching(/^REGISTRY_(?:REFUSED|RESPONSE)$/) });
      expect(error.message).not.toMatch(/secret|canary/);
      expect(front.authorizations).toEqual([undefined]);
    },
  );
});
