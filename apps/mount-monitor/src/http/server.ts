import { createServer, type Socket } from 'node:net';
import type { Logger } from '../log.ts';
import { collectGarbage } from '../runtime.ts';
import { Connections } from './connections.ts';
import { type Gate, type Kernel, loadKernel } from './kernel.ts';
import { ListenError } from './listen-error.ts';
import { RequestLog } from './request-log.ts';
import type { Router } from './routes.ts';
import type { HttpCounts } from './view.ts';

/** Connections that the kernel holds until they are taken in. */
const BACKLOG = 4096;
/** How many are taken in before everything else has its turn. */
const MAX_TAKEN_IN_TURN = 128;
/** From how many answers in a second on the server is worth what its compiler takes of memory. */
export const BUSY_ANSWERS = 50;

interface Listener {
  /** Refuses new connections; leaves the others. */
  close(): void;
}

/**
 * Serves the router over HTTP/1.1. It is made for this purpose, on plain sockets: what a client may cost is bounded
 * by construction, which no server of the runtime offers.
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

  /** `onBusy` is called in each second that has many requests. */
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
   * Listens, on all addresses (IPv6 and IPv4) where no host is given. Called again it moves: the new address
   * is taken before the old one is given up. Throws {@link ListenError} and stays where it was.
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

  /** Refuses new connections, lets open requests end for so many ms, and cuts what is left then. */
  async drain(timeoutMs: number): Promise<void> {
    this.#listener?.close();
    await this.#connections.drain(timeoutMs);
  }

  /** Whether this answer is the one that makes its second busy. */
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
      // A kernel without IPv6 has no "::" to listen on.
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
    // A client may end its side and still be answered.
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
