import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A remote cache on loopback, and its content. */
export interface RemoteCache extends AsyncDisposable {
  readonly url: string;
  /** The archives (tar.gz), by hash. */
  readonly entries: Map<string, Buffer>;
  /** Each request with its status: `GET 200`, `PUT 403`, … */
  readonly answers: readonly string[];
  /** Returns the answers so far, and clears them. */
  takeAnswers(): readonly string[];
}

/**
 * A server for Nx's self-hosted cache protocol: `GET` and `PUT /v1/cache/{hash}`, with one read-write and one read-only
 * token. Entries are immutable. https://nx.dev/docs/guides/tasks--caching/self-hosted-caching
 */
export async function startRemoteCache(tokens: {
  readonly write: string;
  readonly read: string;
}): Promise<RemoteCache> {
  const entries = new Map<string, Buffer>();
  let answers: string[] = [];
  const server = createServer(async (request, response) => {
    const answer = (status: number, body?: Buffer): void => {
      answers.push(`${request.method} ${status}`);
      response.writeHead(status, { 'content-type': 'application/octet-stream' }).end(body);
    };
    const hash = /^\/v1\/cache\/([\w-]+)$/.exec(request.url ?? '')?.[1];
    const token = request.headers.authorization?.replace(/^Bearer /, '');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (token !== tokens.write && token !== tokens.read) return answer(401);
    if (hash === undefined) return answer(404);
    const entry = entries.get(hash);
    if (request.method === 'GET') return entry === undefined ? answer(404) : answer(200, entry);
    if (request.method !== 'PUT') return answer(405);
    if (token !== tokens.write) return answer(403);
    if (entry !== undefined) return answer(409);
    entries.set(hash, Buffer.concat(chunks));
    answer(200);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    entries,
    get answers() {
      return answers;
    },
    takeAnswers: () => {
      const taken = answers;
      answers = [];
      return taken;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
