import { closeSync, openSync } from 'node:fs';

/** What is used of Linux, with its numbers, which are the same on every processor that this is built for. */
const TCP = 6;
const TCP_DEFER_ACCEPT = 9;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SIOCOUTQ = 0x5411;
const MSG_DONTWAIT = 0x40;
const O_CLOEXEC = 0x80000;

/** The most that is taken of a newcomer's first words, in bytes. */
const FIRST_BYTES = 8 * 1024;

/** What the runtime offers no way to do with sockets (https://man7.org/linux/man-pages/man7/tcp.7.html). */
export interface Kernel {
  /**
   * Holds back so many connections of a listening socket where Bun always asks for 512, so that no client's first
   * packet is lost, to be sent again only after 1 s, when many come at once; and hands a connection over only when the
   * client has said something, or after a second. The gate is open.
   */
  tuneListener(server: object, connections: number): Gate;
  /**
   * What a new connection's client has said already. Bun takes in all that wait before it reads from any, and while
   * they come faster than that it never does: whoever is answered on arrival waits for nobody behind.
   */
  firstWords(socket: object): FirstWords;
  /** How many bytes the kernel holds that the other side has not taken yet; undefined where nobody can tell. */
  unsent(socket: object): number | undefined;
}

/**
 * Whether a server is handed connections. Bun takes them in one after the other until none waits, and a client that opens
 * them faster than that keeps it from everything else, forever. Shut, the gate has it find none; they wait in the kernel.
 */
export interface Gate {
  shut(): void;
  open(): void;
  /** To be called before the server is closed; leaves the gate open for good. */
  remove(): void;
}

export type FirstWords =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'none' }
  /** The client has ended its side without a word, or has reset the connection, so that nobody is there to answer. */
  | { readonly kind: 'ended' };

/** Where there is no such library to call nothing is tuned, and first words come as any others do. */
const nothing = (): void => undefined;
const noGate: Gate = { shut: nothing, open: nothing, remove: nothing };
const none: Kernel = {
  tuneListener: () => noGate,
  firstWords: () => ({ kind: 'none' }),
  unsent: () => undefined,
};

/** Loads it; never fails. Only Bun has a way to call a library. */
export async function loadKernel(): Promise<Kernel> {
  if (process.versions.bun === undefined) return none;
  try {
    const { dlopen } = await import('bun:ffi');
    const { symbols } = dlopen('libc.so.6', {
      listen: { args: ['i32', 'i32'], returns: 'i32' },
      setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'i32'], returns: 'i32' },
      dup3: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
      getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
      recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i32' },
      ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
    });
    const buffer = Buffer.alloc(FIRST_BYTES);
    const error = new Int32Array(1);
    const errorBytes = new Int32Array([error.byteLength]);
    const queued = new Int32Array(1);
    return {
      tuneListener(server, connections) {
        const descriptor = descriptorOf(server);
        if (descriptor === undefined) return noGate;
        symbols.listen(descriptor, connections);
        symbols.setsockopt(descriptor, TCP, TCP_DEFER_ACCEPT, new Int32Array([1]), 4);
        return gateOf(descriptor, (from, to) => symbols.dup3(from, to, O_CLOEXEC) >= 0);
      },
      firstWords(socket) {
        const descriptor = descriptorOf(socket);
        if (descriptor === undefined) return { kind: 'none' };
        // First, since a reset leaves what was said before it to be read.
        symbols.getsockopt(descriptor, SOL_SOCKET, SO_ERROR, error, errorBytes);
        if (error[0] !== 0) return { kind: 'ended' };
        const length = symbols.recv(descriptor, buffer, FIRST_BYTES, MSG_DONTWAIT);
        if (length === 0) return { kind: 'ended' };
        // Nothing yet, or an error that the socket will report by itself.
        return length < 0 ? { kind: 'none' } : { kind: 'bytes', bytes: buffer.subarray(0, length) };
      },
      unsent(socket) {
        const descriptor = descriptorOf(socket);
        if (descriptor === undefined || symbols.ioctl(descriptor, SIOCOUTQ, queued) < 0) return undefined;
        return queued[0];
      },
    };
  } catch {
    return none;
  }
}

/**
 * Puts another file in a listening socket's place, and the socket back. It stays registered with epoll, under the same
 * number, as long as any descriptor holds it (https://man7.org/linux/man-pages/man7/epoll.7.html, questions 1 and 6).
 */
function gateOf(listening: number, put: (descriptor: number, place: number) => boolean): Gate {
  const decoy = openSync('/dev/null', 'r');
  const kept = openSync('/dev/null', 'r');
  let usable = put(listening, kept);
  let shut = false;
  return {
    shut() {
      if (usable && !shut) shut = put(decoy, listening);
    },
    open() {
      if (shut && put(kept, listening)) shut = false;
    },
    remove() {
      this.open();
      usable = false;
      closeSync(decoy);
      closeSync(kept);
    },
  };
}

function descriptorOf(socket: object): number | undefined {
  const descriptor = (socket as { readonly _handle?: { readonly fd?: unknown } | null })._handle?.fd;
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined;
}
