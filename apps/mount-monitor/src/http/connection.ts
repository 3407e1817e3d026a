import type { Socket } from 'node:net';
import { encode, type Reply, text } from './reply.ts';
import { MAX_HEAD_BYTES, parseRequest, type RequestHead } from './request.ts';

/** The most requests answered on one connection before the others get their turn. */
const MAX_REQUESTS_IN_TURN = 16;
/** The most that a client may send ahead of its answers, in bytes. */
const MAX_INPUT_BYTES = 2 * MAX_HEAD_BYTES;
/** How much is passed to the kernel at a time, in bytes. A client that stops reading is noticed after each slice. */
const SLICE_BYTES = 64 * 1024;
/**
 * How much is still read from a client after the last answer, in bytes, so that it has a chance to receive that answer.
 */
const MAX_LATE_BYTES = 64 * 1024;
/** The most that a client without bad intentions sends at a time, in bytes. */
const MAX_USUAL_BYTES = 2 * 1024;
/** How much garbage each byte beyond that makes: the runtime keeps the chunk, its copy, and what it read ahead. */
const GARBAGE_PER_BYTE = 4;
/**
 * How long a client may take, in ms: to send something, to finish a request's head, to read a slice, to close its side.
 */
const MAX_IDLE_MS = 5000;
const MAX_HEAD_MS = 5000;
const MAX_WRITE_MS = 5000;
const MAX_GOODBYE_MS = 5000;

/** Why the server cut a connection. */
export const cutReasons = [
  'evicted',
  'slow_head',
  'slow_reader',
  'pipelining',
  'memory',
  'shutdown',
] as const;
export type CutReason = (typeof cutReasons)[number];

/** What a connection needs from its owner. */
export interface ConnectionOwner {
  answer(head: RequestHead): Reply;
  /** Whether an answer of that many bytes is the connection's last. */
  isLast(connection: Connection, bytes: number): boolean;
  /** How many bytes the kernel holds that the client has not received yet; undefined if unknown. */
  unsent(socket: Socket): number | undefined;
  /** A client's bytes have been read and will soon be garbage. */
  spent(bytes: number): void;
  /** Counts bytes about to be passed to the kernel. May cut connections, including this one. */
  charge(connection: Connection, bytes: number): void;
  /** A complete answer has been passed to the kernel. */
  answered(connection: Connection): void;
  counted(reason: CutReason): void;
  closed(connection: Connection): void;
}

/** Answers to protocol errors; each ends its connection. */
const refusals = {
  400: text(400, 'bad request\n'),
  408: text(408, 'the request did not arrive in time\n'),
  431: text(431, 'the request head is too large\n'),
  505: text(505, 'only HTTP/1.1 is supported\n'),
} as const;

/**
 * One client. Requests are answered one at a time, the next one only once the kernel has accepted the entire previous
 * answer. The input that a client may send ahead is bounded, and so is every wait.
 */
export class Connection {
  readonly address: string;
  /** Upper bound of the bytes passed to the kernel that the client may not have received; see {@link measure}. */
  unread = 0;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  #input = '';
  /** When the current wait began, on the monotonic clock. */
  #since = performance.now();
  #outgoing: { readonly bytes: Buffer; readonly last: boolean; sent: number } | undefined;
  #blocked = false;
  #queued = false;
  #clientEnded = false;
  #goodbye = false;
  #late = 0;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.address = socket.remoteAddress ?? '';
    this.#socket = socket;
    this.#owner = owner;
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('end', () => this.#end());
    // A broken connection closes right after this.
    socket.on('error', () => undefined);
    socket.on('close', () => owner.closed(this));
  }

  /** Whether there is no answer in progress, and not even the beginning of a request. */
  get idle(): boolean {
    return this.#outgoing === undefined && !this.#queued && this.#input === '';
  }

  /** Ends the connection immediately and lets the kernel discard unread bytes. */
  cut(reason: CutReason): void {
    this.#owner.counted(reason);
    this.#socket.resetAndDestroy();
  }

  /** Asks the kernel how much is unread. If it is unknown, everything ever written counts. */
  measure(): void {
    const unsent = this.#owner.unsent(this.#socket);
    if (unsent !== undefined) this.unread = Math.min(this.unread, unsent + this.#socket.writableLength);
  }

  /** Closes the connection gracefully if no request is in progress. */
  release(): void {
    if (this.idle && !this.#goodbye) this.#sayGoodbye();
  }

  /** Enforces the client's time limits; must be called a few times per second. */
  check(now: number): void {
    const waited = now - this.#since;
    if (this.#goodbye) {
      if (waited > MAX_GOODBYE_MS) this.#socket.resetAndDestroy();
    } else if (this.#outgoing !== undefined) {
      if (waited > MAX_WRITE_MS) this.cut('slow_reader');
    } else if (this.#input !== '') {
      if (waited <= MAX_HEAD_MS) return;
      this.#owner.counted('slow_head');
      this.#send(encode(refusals[408], false, true), true);
    } else if (waited > MAX_IDLE_MS) this.#sayGoodbye();
  }

  /** Handles bytes from the client. */
  receive(chunk: Buffer): void {
    this.#owner.spent(chunk.length * (chunk.length > MAX_USUAL_BYTES ? GARBAGE_PER_BYTE : 1));
    if (this.#goodbye) {
      this.#late += chunk.length;
      if (this.#late > MAX_LATE_BYTES) this.#socket.resetAndDestroy();
      return;
    }
    if (this.idle) this.#since = performance.now();
    this.#input += chunk.toString('latin1');
    if (!this.#queued) this.#work();
    if (this.#input.length <= MAX_INPUT_BYTES || this.#goodbye || this.#socket.destroyed) return;
    this.cut('pipelining');
  }

  #work(): void {
    for (let count = 0; count < MAX_REQUESTS_IN_TURN; count += 1) {
      if (this.#outgoing !== undefined || this.#goodbye || this.#socket.destroyed) return;
      if (this.#input === '') break;
      const parsed = parseRequest(this.#input);
      if (parsed.kind === 'incomplete') break;
      if (parsed.kind === 'refused') {
        this.#send(encode(refusals[parsed.status], false, true), true);
        return;
      }
      this.#input = this.#input.slice(parsed.length);
      this.#answer(parsed.head);
    }
    if (this.#outgoing !== undefined || this.#goodbye || this.#socket.destroyed) return;
    if (this.#input !== '' && parseRequest(this.#input).kind !== 'incomplete') this.#queue();
    else if (this.#clientEnded) this.#sayGoodbye();
  }

  /** Lets other connections have their turn first. */
  #queue(): void {
    this.#queued = true;
    setImmediate(() => {
      this.#queued = false;
      this.#work();
    });
  }

  #answer(head: RequestHead): void {
    const reply = this.#owner.answer(head);
    const withoutBody = head.method === 'HEAD';
    const bytes = encode(reply, withoutBody, false);
    if (head.keepAlive && !this.#owner.isLast(this, bytes.length)) this.#send(bytes, false);
    else this.#send(encode(reply, withoutBody, true), true);
  }

  #send(bytes: Buffer, last: boolean): void {
    if (last) this.#input = '';
    this.#outgoing = { bytes, last, sent: 0 };
    this.#flush();
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    if (outgoing === undefined) return;
    const { bytes, last } = outgoing;
    while (outgoing.sent < bytes.length && !this.#blocked) {
      const slice =
        bytes.length <= SLICE_BYTES ? bytes : bytes.subarray(outgoing.sent, outgoing.sent + SLICE_BYTES);
      outgoing.sent += slice.length;
      this.#owner.charge(this, slice.length);
      if (this.#socket.destroyed) return;
      this.#since = performance.now();
      this.#blocked = !this.#socket.write(slice);
    }
    if (this.#blocked) return;
    this.#outgoing = undefined;
    this.#owner.answered(this);
    if (last) this.#sayGoodbye();
  }

  #drained(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#since = performance.now();
    this.#flush();
    if (!this.#queued) this.#work();
  }

  #end(): void {
    this.#clientEnded = true;
    if (this.#outgoing === undefined && !this.#queued && !this.#goodbye) this.#work();
    if (this.#outgoing === undefined && !this.#queued && !this.#goodbye) this.#sayGoodbye();
  }

  /** Nothing more will be sent. The client closing its side, or a deadline, closes the connection. */
  #sayGoodbye(): void {
    this.#goodbye = true;
    this.#input = '';
    this.#since = performance.now();
    this.#socket.end();
  }
}
