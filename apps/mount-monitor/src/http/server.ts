import { createServer, type Socket } from 'node:net';
import type { Logger } from '../log.ts';
import { collectGarbage } from '../runtime.ts';
import { Connections } from './connections.ts';
import { type Gate, type Kernel, loadKernel } from './kernel.ts';
import { ListenError } from './listen-error.ts';
import { RequestLog } from './request-log.ts';
import type { Router } from './routes.ts';
import type { HttpCounts } from './view.ts';

/** How many connections the kernel holds until they are accepted. */
const BACKLOG = 4096;
/** How many connections are accepted before everything else gets its turn. */
const MAX_TAKEN_IN_TURN = 128;
/** At this many answers per second, the server is worth the memory that its compiler takes. */
export const BUSY_ANSWERS = 50;

interface Listener {
  /** Refuses new connections; keeps the existing ones. */
  close(): void;
}

/**
 * Serves the router over HTTP/1.1 on plain sockets. It was written for this purpose because the cost of a client must
 * be bounded by construction, which no server of the runtime offers.
 */
export class HttpServer {
  readonly #log: Logger;
  readonly #connections: Connections;
  readonly #answers = new Map<number, number>();
  #second = 0;
  #answersOfSecond = 0;
  readonly #loading = loadKernel();
  #kernel: Kernel | undefined;
  #listener: Listener | undefined;

  /** `onBusy` is called in every second that has many requests. */
  constructor(router: Router, log: Logger, onBusy: () => void) {
    this.#log = log;
    const requestLog = new RequestLog(log);
    this.#connections = new Connections({
      answer: ({ method, target }) => {
        const reply = router(method, target);
        this.#answers.set(reply.status, (this.#answers.get(reply.status) ?? 0) + 1);
        requestLog.note(method, target, reply);
        if (this.#isBusy()) onBusy();
        return reply;
      },
      unsent: (socket) => this.#kernel?.unsent(socket),
      collectGarbage,
    });
  }

  counts(): HttpCounts {
    return { ...this.#connections.counts(), answers: this.#answers };
  }

  /**
   * Listens on the host, or on all addresses (IPv6 and IPv4) if none is given. Calling it again moves the server: the
   * new address is bound before the old one is released. If that fails, throws {@link ListenError} and stays at the old
   * address.
   */
  async listen(host: string | undefined, port: number): Promise<void> {
    this.#kernel = await this.#loading;
    const listener = await this.#open(host, port, this.#kernel);
    const previous = this.#listener;
    this.#listener = listener;
    if (previous === undefined) return;
    previous.close();
    this.#connections.releaseIdle();
  }

  /** Refuses new connections, gives open requests that many ms to finish, and then cuts the rest. */
  async drain(timeoutMs: number): Promise<void> {
    this.#listener?.close();
    await this.#connections.drain(timeoutMs);
  }

  /** Whether this answer is the one that makes the current second busy. */
  #isBusy(): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) this.#answersOfSecond = 0;
    this.#second = second;
    this.#answersOfSecond += 1;
    return this.#answersOfSecond === BUSY_ANSWERS;
  }

  async #open(host: string | undefined, port: number, kernel: Kernel): Promise<Listener> {
    if (host !== undefined) return this.#bind(host, port, kernel);
    try {
      return await this.#bind('::', port, kernel);
    } catch (error) {
      // On a kernel without IPv6, "::" cannot be listened on.
      const code = error instanceof ListenError ? error.code : '';
      if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
      return this.#bind('0.0.0.0', port, kernel);
    }
  }

  #bind(host: string, port: number, kernel: Kernel): Promise<Listener> {
    let gate: Gate | undefined;
    let taken = 0;
    const count = (): void => {
      if (taken === 0) {
        setImmediate(() => {
          taken = 0;
          gate?.open();
        });
      }
      taken += 1;
      if (taken >= MAX_TAKEN_IN_TURN) gate?.shut();
    };
    // A client may close its side and still be answered.
    const options = { allowHalfOpen: true, noDelay: true };
    const server = createServer(options, (socket: Socket) => {
      count();
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
        const own = kernel.tuneListener(server, BACKLOG);
        gate = own;
        const close = (): void => {
          gate = undefined;
          own.remove();
          server.close();
        };
        resolve({ close });
      });
    });
  }
}
