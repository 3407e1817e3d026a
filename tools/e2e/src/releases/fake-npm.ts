import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** An in-memory npm registry that accepts everything that is published. */
export interface FakeNpm extends AsyncDisposable {
  /** Its address, without a slash at the end. */
  readonly url: string;
  /** The published packages as `name@version`, in order. */
  readonly published: readonly string[];
  /** Every request as `METHOD path`. */
  readonly requests: readonly string[];
}

interface Packument {
  readonly name: string;
  readonly versions: Readonly<Record<string, object>>;
}

/**
 * Serves the two calls that `npm view` and `npm publish` make: reading a packument (404 with `error` if there is none),
 * and putting one with the new version and its tarball.
 * https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md
 */
export async function startFakeNpm(): Promise<FakeNpm> {
  const packages = new Map<string, Packument>();
  const published: string[] = [];
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    const name = decodeURIComponent((request.url ?? '/').slice(1).replace(/[?#].*/, ''));
    requests.push(`${request.method} ${name}`);
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.method === 'PUT') {
      const put: Packument = JSON.parse(await text(request));
      const versions = { ...packages.get(name)?.versions, ...put.versions };
      packages.set(name, { ...put, versions });
      published.push(...Object.keys(put.versions).map((version) => `${name}@${version}`));
      answer(201, { ok: true });
      return;
    }
    const found = packages.get(name);
    if (found === undefined) answer(404, { error: 'Not found' });
    else answer(200, found);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    published,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
