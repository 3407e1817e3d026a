import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../log.ts';
import { Connections } from './connections.ts';
import { type Kernel, loadKernel } from './kernel.ts';
import { ListenError } from './listen-error.ts';
import { RequestLog } from './request-log.ts';
import type { Router } from './routes.ts';
import type { HttpCounts } from './view.ts';

/** Connections that the kernel holds until they are taken in. */
const BACKLOG = 4096;

/**
 * Serves the router over HTTP/1.1. It is made for this purpose, on plain sockets: what a client may cost is bounded
 * by construction, which no server of the runtime offers.
 */
export class HttpServer {
  readonly #log: Logger;
  readonly #connections: Connections;
  readonly #answers = new Map<number, number>();
  readonly #kernel = loadKernel();
  #server: Server | undefined;

  constructor(router: Router, log: Logger) {
    this.#log = log;
    const requestLog = new RequestLog(log);
    this.#connections = new Connections({
      answer: ({ method, target }) => {
        const reply = router(method, target);
        this.#answers.set(reply.status, (this.#answers.get(reply.status) ?? 0) + 1);
        requestLog.note(method, target, reply);
        return reply;
      },
    });
  }

  counts(): HttpCounts {
    return { ...this.#connections.counts(), answers: this.#answers };
  }

  /**
   * Listens, on all addresses (IPv6 and IPv4) where no host is given. Called again it moves: the new address
   * is taken before the old one is given up. Throws {@link ListenError} and stays where it was.
   */
  async listen(host: string | undefined, port: number): Promise<void> {
    const server = await this.#open(host, port, await this.#kernel);
    const previous = this.#server;
    this.#server = server;
    if (previous === undefined) return;
    previous.close();
    this.#connections.releaseIdle();
  }

  /** Refuses new connections, lets open requests end for so many ms, and cuts what is left then. */
  async drain(timeoutMs: number): Promise<void> {
    this.#server?.close();
    await this.#connections.drain(timeoutMs);
  }

  async #open(host: string | undefined, port: number, kernel: Kernel): Promise<Server> {
    if (host !== undefined) return this.#bind(host, port, kernel);
    try {
      return await this.#bind('::', port, kernel);
    } catch (error) {
      // A kernel without IPv6 has no "::" to listen on.
      const code = error instanceof ListenError ? error.code : '';
      if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
      return this.#bind('0.0.0.0', port, kernel);
    }
  }

  #bind(host: string, port: number, kernel: Kernel): Promise<Server> {
    // A client may end its side and still be answered.
    const options = { allowHalfOpen: true, noDelay: true };
    const server = createServer(options, (socket: Socket) => {
      const words = kernel.firstWords(socket);
      if (words.kind === 'ended') socket.destroy();
      else this.#connections.admit(socket, words.kind === 'bytes' ? words.bytes : undefined);
    });
    return new Promise((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(new ListenError(host === '::' ? undefined : host, port, cause)),
      );
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.removeAllListeners('error');
        server.on('error', (error) => this.#log.error('http server error', { error }));
        kernel.tuneListener(server, BACKLOG);
        resolve(server);
      });
    });
  }
}
