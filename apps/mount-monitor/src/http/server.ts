import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from '../log.ts';
import { after } from '../monitor/timers.ts';
import type { Router } from './routes.ts';

/** An address that cannot be listened on. */
export class ListenError extends Error {
  readonly code: string;

  constructor(host: string | undefined, port: number, cause: NodeJS.ErrnoException) {
    const where = host === undefined ? `port ${port}` : `${host} port ${port}`;
    const why =
      cause.code === 'EADDRINUSE'
        ? 'the port is taken by another process'
        : cause.code === 'EACCES'
          ? 'no permission to use the port'
          : cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND'
            ? 'this machine does not have the address'
            : cause.message;
    super(`cannot listen on ${where}: ${why} (${cause.code ?? 'unknown error'})`, { cause });
    this.name = 'ListenError';
    this.code = cause.code ?? 'unknown';
  }
}

/** Limits on what a client may cost: times in ms, sizes in bytes. */
const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
  maxConnections: 256,
} as const;

/** Serves the router over HTTP/1.1. */
export class HttpServer {
  readonly #router: Router;
  readonly #log: Logger;
  #server: Server | undefined;
  #draining = false;

  constructor(router: Router, log: Logger) {
    this.#router = router;
    this.#log = log;
  }

  /**
   * Listens, on all addresses (IPv6 and IPv4) where no host is given. Called again it moves: the new address
   * is taken before the old one is given up. Throws {@link ListenError} and stays where it was.
   */
  async listen(host: string | undefined, port: number): Promise<void> {
    const server = await this.#open(host, port);
    const previous = this.#server;
    this.#server = server;
    if (previous !== undefined) {
      previous.close();
      previous.closeIdleConnections();
    }
  }

  /** Refuses new connections, lets open requests end for so many ms, and cuts what is left then. */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    const server = this.#server;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = after(timeoutMs, () => {
        server.closeAllConnections();
        resolve();
      });
      server.close(() => {
        cancel();
        resolve();
      });
      server.closeIdleConnections();
    });
  }

  async #open(host: string | undefined, port: number): Promise<Server> {
    if (host !== undefined) return this.#bind(host, port);
    try {
      return await this.#bind('::', port);
    } catch (error) {
      // A kernel without IPv6 has no "::" to listen on.
      const code = error instanceof ListenError ? error.code : '';
      if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
      return this.#bind('0.0.0.0', port);
    }
  }

  #bind(host: string, port: number): Promise<Server> {
    const server = createServer(limits, (request, response) => this.#answer(request, response));
    server.keepAliveTimeout = limits.keepAliveTimeout;
    server.maxConnections = limits.maxConnections;
    return new Promise((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(new ListenError(host === '::' ? undefined : host, port, cause)),
      );
      server.listen({ host, port }, () => {
        server.removeAllListeners('error');
        server.on('error', (error) => this.#log.error('http server error', { error }));
        resolve(server);
      });
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '' } = request;
    const { status, headers, body } = this.#router(method, url);
    // Nothing here reads a body, so a connection that carries one cannot be used again.
    const last = this.#draining || hasBody(request);
    response.writeHead(status, {
      ...headers,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-length': Buffer.byteLength(body),
      ...(last ? { connection: 'close' } : {}),
    });
    response.end(method === 'HEAD' ? undefined : body);
    this.#log.debug('http request', { method, target: url, status });
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
