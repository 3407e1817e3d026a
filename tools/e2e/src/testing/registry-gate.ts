import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A registry that refuses requests on demand, and passes all others on to the real one. */
export interface RegistryGate extends AsyncDisposable {
  readonly host: string;
  /** Whether to refuse a request. */
  refuse: (method: string, path: string) => boolean;
}

/** Starts one in front of a registry, at `host:port`. */
export async function startRegistryGate(registry: string): Promise<RegistryGate> {
  const [hostname, port] = registry.split(':');
  const server = createServer((request, response) => {
    if (gate.refuse(request.method ?? '', request.url ?? '')) {
      request.resume();
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"DENIED","message":"refused for the test"}]}');
      return;
    }
    const passed = httpRequest(
      { hostname, port, method: request.method, path: request.url, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    passed.on('error', (error) => response.destroy(error));
    request.pipe(passed);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const gate: RegistryGate = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    refuse: () => false,
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return gate;
}
