import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../digest.ts';
import { createRepositoryClient, type RepositoryClient } from '../repository.ts';
import type { RetryClock } from '../retry.ts';
import { createTransport, type Transport } from './index.ts';

const CLOCK: RetryClock = { now: Date.now, random: () => 0.5, sleep: async () => {} };
const LIMITS = { tries: 2, totalMs: 1000, firstDelayMs: 1, longestDelayMs: 1, operationMs: 400 };
const BLOB = { mediaType: 'a/b', digest: digestOf('a blob'), size: 6 };
const DIGEST = digestOf('a manifest');

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A server that handles any request by passing the connection to `answer`. */
function serveRaw(answer: (socket: Socket) => void): Promise<string> {
  return listen(createServer((socket) => socket.once('data', () => answer(socket))));
}

function drip(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 20);
  socket.on('close', () => clearInterval(timer));
}

function connect(registry: string, signal = new AbortController().signal): RepositoryClient {
  const transport: Transport = createTransport({
    environment: {},
    plainHttp: false,
    limits: LIMITS,
    clock: CLOCK,
    signal,
    idleMs: 5000,
  });
  ends.push(() => transport.close());
  const credentials = async (): Promise<undefined> => undefined;
  return createRepositoryClient({ registry, repository: 'a/b', transport, credentials, clock: CLOCK });
}

const LATE = { code: 'REGISTRY_UNAVAILABLE', message: expect.stringContaining('did not finish within 1 s') };

describe('the budget of an operation', () => {
  it.each<readonly [string, (socket: Socket) => void]>([
    [
      'headers without end',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nX-A: ');
        drip(socket, 'a');
      },
    ],
    [
      'a body that drips forever',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
        drip(socket, ' ');
      },
    ],
    [
      'chunks that drip forever',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        drip(socket, '1\r\n \r\n');
      },
    ],
    [
      'an error that drips forever',
      (socket) => {
        socket.write('HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n');
        drip(socket, '1\r\n \r\n');
      },
    ],
    ['silence', () => {}],
  ])("an operation's budget ends %s", async (_, answer) => {
    const startedAt = performance.now();
    await expect(connect(await serveRaw(answer)).getManifest(DIGEST)).rejects.toMatchObject(LATE);
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });

  it("an operation's budget ends a dripping blob while it is being read", async () => {
    const host = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na');
    });
    await expect(connect(host).openBlob(BLOB).then(buffer)).rejects.toMatchObject(LATE);
  });

  it('endless tag pages are limited to the bytes of one list', async () => {
    let pages = 0;
    const body = `{"tags":[]${' '.repeat(3 * 1024 * 1024)}}`;
    const server = createHttpServer((_, response) => {
      pages += 1;
      response.writeHead(200, { link: `</v2/a/b/tags/list?last=${pages}>; rel="next"` }).end(body);
    });
    await expect(connect(await listen(server)).listTags()).rejects.toMatchObject({
      code: expect.stringMatching(/^REGISTRY_(?:RESPONSE|UNAVAILABLE)$/),
      message: expect.stringMatching(/expected responses of at most 25165824 bytes in total|did not finish/),
    });
    expect(pages).toBeLessThan(10);
  });

  it.each<readonly [string, string, RegExp]>([
    [
      'a protocol switch',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
      /status 101/,
    ],
    ['a flood of interim responses', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(10_000), /interim/],
    ['a response that is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', /HPE_INVALID_CONSTANT/],
    [
      'a megabyte of headers',
      `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(1024 * 1024)}\r\n\r\n`,
      /HPE_HEADER_OVERFLOW/,
    ],
    ['a body that ends early', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab', /aborted|ECONNRESET/],
    ['no response at all', '', /ECONNRESET/],
  ])('%s ends in a typed error before the budget runs out', async (_, text, says) => {
    const host = await serveRaw((socket) => socket.end(text));
    await expect(connect(host).getManifest(DIGEST)).rejects.toMatchObject({
      code: expect.stringMatching(/^REGISTRY_/),
      message: expect.stringMatching(says),
    });
  });

  it('an operation ends when the run is asked to end', async () => {
    const control = new AbortController();
    const client = connect(await serveRaw(() => control.abort(new Error('asked to end'))), control.signal);
    await expect(client.getManifest(DIGEST)).rejects.toThrow('asked to end');
  });
});

describe('an address that a registry names', () => {
  it.each(['http://[', 'https://%', 'http://a b'])(
    'a Location of %s ends in a typed error',
    async (location) => {
      const server = createHttpServer(({ method }, response) => {
        if (method === 'HEAD') response.writeHead(404).end();
        else response.writeHead(202, { location }).end();
      });
      const client = connect(await listen(server));
      const upload = client.uploadBlob(BLOB, async function* () {
        yield Buffer.from('a blob');
      });
      await expect(upload).rejects.toMatchObject({
        code: 'REGISTRY_RESPONSE',
        message: expect.stringContaining('Location'),
      });
      await expect(client.checkPush()).rejects.toMatchObject({ code: 'REGISTRY_RESPONSE' });
    },
  );
});
