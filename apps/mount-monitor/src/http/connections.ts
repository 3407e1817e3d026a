import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Connection, type ConnectionOwner, type CutReason, cutReasons } from './connection.ts';
import { Crowds } from './crowds.ts';
import type { Reply } from './reply.ts';
import type { RequestHead } from './request.ts';

/** The most connections at a time, if the process may have that many descriptors. */
export const MAX_CONNECTIONS = 256;
const MIN_CONNECTIONS = 8;
/** How many new connections may exceed that limit until they have had their first turn. */
export const MAX_NEWCOMERS = 512;
/** How long new connections have for their first turn, in ms. */
const NEWCOMER_MS = 20;
/** How many of the longest-quiet connections are searched for an idle one. */
const MAX_LOOKS = 16;
/** Descriptors left for probes, the log and everything else. */
const RESERVED_DESCRIPTORS = 64;
/** The most bytes that all clients together may have been sent without having read them. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;
/** One connection's minimum share of those bytes, no matter how many connections there are. */
const MIN_SHARE_BYTES = 32 * 1024;
const CHECK_MS = 250;
/** After how many bytes of clients and connections garbage is collected: left alone, the runtime keeps far more. */
const MAX_GARBAGE_BYTES = 4 * 1024 * 1024;
/**
 * What a connection counts as garbage besides the bytes of its client: the runtime doesn't see how much its sockets keep,
 * so clients that come and go would take more than the memory limit.
 */
const CONNECTION_BYTES = 16 * 1024;

/** Connection counts since the start. */
export interface ConnectionCounts {
  readonly open: number;
  readonly accepted: number;
  /** Contains an entry for every reason. */
  readonly cut: ReadonlyMap<CutReason, number>;
}

export interface ConnectionsOptions {
  readonly answer: (head: RequestHead) => Reply;
  readonly unsent?: ConnectionOwner['unsent'];
  readonly collectGarbage?: () => void;
  readonly maxConnections?: number;
}

/**
 * All connections of the server. A new connection is never refused: at the limit, the network with the most connections
 * is picked, within it the address with the most, and of its connections the one that has been quiet the longest is
 * closed. So other addresses cannot take a client's place, and nobody's existing connections can block a new one. The
 * total of sent bytes that may be unread is bounded.
 */
export class Connections implements ConnectionOwner {
  readonly #options: ConnectionsOptions;
  readonly #max: number;
  /** From the longest quiet to the most recently answered. */
  readonly #open = new Set<Connection>();
  readonly #crowds = new Crowds<Connection>();
  readonly #cut = new Map<CutReason, number>(cutReasons.map((reason) => [reason, 0]));
  #accepted = 0;
  /** The sum of the open connections' unread bytes. */
  #unread = 0;
  /** Bytes handled for clients since the last garbage collection. */
  #garbage = 0;
  #draining = false;
  #trimming = false;
  #timer: NodeJS.Timeout | undefined;
  #emptied: (() => void) | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#max = options.maxConnections ?? connectionsFor(descriptorLimit());
  }

  /** Adds a client, along with anything it has already sent. */
  admit(socket: Socket, words?: Buffer): void {
    this.#accepted += 1;
    this.spent(CONNECTION_BYTES);
    // Beyond this, even new connections that have not been read from yet are closed.
    if (this.#open.size >= this.#max + MAX_NEWCOMERS) this.#evict();
    const connection = new Connection(socket, this);
    this.#open.add(connection);
    this.#crowds.add(connection);
    this.#timer ??= setInterval(() => this.#check(), CHECK_MS);
    if (this.#open.size > this.#max && !this.#trimming) this.#trimLater();
    if (words !== undefined) connection.receive(words);
  }

  counts(): ConnectionCounts {
    return { open: this.#open.size, accepted: this.#accepted, cut: this.#cut };
  }

  /** Closes all connections without a request in progress. */
  releaseIdle(): void {
    for (const connection of this.#open) connection.release();
  }

  /**
   * Makes every answer its connection's last from now on. Resolves when all are closed; cuts the rest after that many
   * ms.
   */
  drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    this.releaseIdle();
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const connection of this.#open) connection.cut('shutdown');
        resolve();
      }, timeoutMs);
      this.#emptied = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  answer(head: RequestHead): Reply {
    return this.#options.answer(head);
  }

  unsent(socket: Socket): number | undefined {
    return this.#options.unsent?.(socket);
  }

  isLast(connection: Connection, bytes: number): boolean {
    if (this.#draining) return true;
    // Half of an even share: each connection may exceed its own by one answer, and a client's next connection may open
    // before its last one has closed.
    const share = Math.max(MIN_SHARE_BYTES, MAX_UNREAD_BYTES / Math.max(16, 2 * this.#open.size));
    if (connection.unread + bytes > share) this.#measure(connection);
    return connection.unread > 0 && connection.unread + bytes > share;
  }

  spent(bytes: number): void {
    this.#garbage += bytes;
    if (this.#garbage < MAX_GARBAGE_BYTES) return;
    this.#garbage = 0;
    this.#options.collectGarbage?.();
  }

  charge(connection: Connection, bytes: number): void {
    this.spent(bytes);
    if (this.#unread + bytes > MAX_UNREAD_BYTES) this.#measure(connection);
    connection.unread += bytes;
    this.#unread += bytes;
    if (this.#unread <= MAX_UNREAD_BYTES) return;
    // Clients that hold no more than an even share are spared; there is always one that holds more.
    const share = MAX_UNREAD_BYTES / this.#open.size;
    for (const suspects of [this.#crowds.largest(), this.#open]) {
      for (const suspect of suspects) {
        if (suspect !== connection && suspect.unread > share) this.#measure(suspect);
        if (suspect.unread > share) {
          suspect.cut('memory');
          this.closed(suspect);
        }
        if (this.#unread <= MAX_UNREAD_BYTES) return;
      }
    }
  }

  answered(connection: Connection): void {
    if (!this.#open.delete(connection)) return;
    this.#open.add(connection);
    this.#crowds.touch(connection);
  }

  counted(reason: CutReason): void {
    this.#cut.set(reason, (this.#cut.get(reason) ?? 0) + 1);
  }

  closed(connection: Connection): void {
    if (!this.#open.delete(connection)) return;
    this.#unread -= connection.unread;
    this.#crowds.remove(connection);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#emptied?.();
  }

  #measure(connection: Connection): void {
    const before = connection.unread;
    connection.measure();
    this.#unread -= before - connection.unread;
  }

  #check(): void {
    const now = performance.now();
    for (const connection of this.#open) connection.check(now);
  }

  /** Accepts a burst of connections at once; each is read from before the longest-quiet ones are closed. */
  #trimLater(): void {
    this.#trimming = true;
    setTimeout(() => {
      this.#trimming = false;
      while (this.#open.size > this.#max) this.#evict();
    }, NEWCOMER_MS);
  }

  #evict(): void {
    let victim: Connection | undefined;
    let looked = 0;
    for (const connection of this.#crowds.largest()) {
      victim ??= connection;
      looked += 1;
      if (connection.idle) victim = connection;
      if (connection.idle || looked === MAX_LOOKS) break;
    }
    if (victim === undefined) return;
    victim.cut('evicted');
    this.closed(victim);
  }
}

/** How many connections fit into a process with that many descriptors. */
export function connectionsFor(descriptors: number): number {
  const share = Math.floor((descriptors - RESERVED_DESCRIPTORS) / 2);
  return Math.max(MIN_CONNECTIONS, Math.min(MAX_CONNECTIONS, share));
}

function descriptorLimit(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
