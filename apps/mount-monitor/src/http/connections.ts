import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Connection, type ConnectionOwner, type CutReason, cutReasons } from './connection.ts';
import { Crowds } from './crowds.ts';
import type { Reply } from './reply.ts';
import type { RequestHead } from './request.ts';

/** The most connections at a time, where the process may have that many descriptors. */
export const MAX_CONNECTIONS = 256;
const MIN_CONNECTIONS = 8;
/** How many newcomers may be there beyond that until they had their first turn. */
const MAX_NEWCOMERS = 512;
/** How long newcomers have for their first turn, in ms. */
const NEWCOMER_MS = 20;
/** Among how many of the longest quiet an idle one is looked for. */
const MAX_LOOKS = 16;
/** Descriptors that are left for probes, the log and everything else. */
const RESERVED_DESCRIPTORS = 64;
/** The most bytes that clients may have been sent and perhaps not have read, of all connections together. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;
/** One connection's share of these, in bytes, however many there are. */
const MIN_SHARE_BYTES = 32 * 1024;
const CHECK_MS = 250;
/** After how many bytes, heard and said, their garbage is collected: left alone, the runtime lets it grow to far more. */
const MAX_GARBAGE_BYTES = 16 * 1024 * 1024;

/** What the connections have come to since the start. */
export interface ConnectionCounts {
  readonly open: number;
  readonly accepted: number;
  /** Every reason has an entry. */
  readonly cut: ReadonlyMap<CutReason, number>;
}

export interface ConnectionsOptions {
  readonly answer: (head: RequestHead) => Reply;
  readonly unsent?: ConnectionOwner['unsent'];
  readonly collectGarbage?: () => void;
  readonly maxConnections?: number;
}

/**
 * All connections of the server. A newcomer is never turned away: at the limit the address that holds the most
 * connections, in the network that does, loses the one that has been quiet the longest, so that no other address can take a client's place and
 * nobody's earlier connections the newcomer's. What was sent and may lie unread is bounded over all of them.
 */
export class Connections implements ConnectionOwner {
  readonly #options: ConnectionsOptions;
  readonly #max: number;
  /** From the longest quiet to the latest answered. */
  readonly #open = new Set<Connection>();
  readonly #crowds = new Crowds<Connection>();
  readonly #cut = new Map<CutReason, number>(cutReasons.map((reason) => [reason, 0]));
  #accepted = 0;
  /** The sum of what is unread of those that are open. */
  #unread = 0;
  /** Bytes that were held for clients since garbage was last collected. */
  #garbage = 0;
  #draining = false;
  #trimming = false;
  #timer: NodeJS.Timeout | undefined;
  #emptied: (() => void) | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#max = options.maxConnections ?? connectionsFor(descriptorLimit());
  }

  /** Takes a client in, with what it has said already. */
  admit(socket: Socket, words?: Buffer): void {
    this.#accepted += 1;
    // Beyond this even newcomers that nobody has listened to yet have to go.
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

  /** Says goodbye to whoever is not being answered. */
  releaseIdle(): void {
    for (const connection of this.#open) connection.release();
  }

  /** From now on every answer is its connection's last; resolves when all are gone, or cut after so many ms. */
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
    // Half of an even share: each may go over its own by one answer, and the next connection of a client is there before
    // the last one has ended.
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
    // Who holds no more than an even share is spared, and there is always somebody who holds more.
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
    this.#crowds.remove(connection);
    this.#crowds.add(connection);
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

  /** A burst of connections is taken in at once; each of them is listened to before the longest quiet ones go. */
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

/** How many connections fit into a process that may have so many descriptors. */
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
