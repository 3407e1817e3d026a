import { closeSync, openSync } from 'node:fs';

/** The Linux constants used here; they are the same on every processor that this is built for. */
const TCP = 6;
const TCP_DEFER_ACCEPT = 9;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SIOCOUTQ = 0x5411;
const MSG_DONTWAIT = 0x40;
const O_CLOEXEC = 0x80000;

/** The most read of a new connection's first bytes. */
const FIRST_BYTES = 8 * 1024;

/** Socket features that the runtime does not offer (https://man7.org/linux/man-pages/man7/tcp.7.html). */
export interface Kernel {
  /**
   * Sets the listening socket's backlog to this many connections, where Bun always uses 512, so that in a burst no
   * client loses its first packet, which it would resend only after 1 s. Also delivers a connection only once its
   * client has sent something, or after a second. The gate is open initially.
   */
  tuneListener(server: object, connections: number): Gate;
  /**
   * Returns what a new connection's client has already sent. Bun accepts all waiting connections before it reads from
   * any, and never reads while they arrive faster than that. A client answered on arrival does not wait for those
   * behind it.
   */
  firstWords(socket: object): FirstWords;
  /** How many bytes the kernel holds that the other side has not received yet; undefined if unknown. */
  unsent(socket: object): number | undefined;
}

/**
 * Controls whether a server receives connections. Bun accepts connections until none are waiting, so a client that
 * opens them faster than that starves everything else, forever. With the gate shut, Bun finds none; they wait in the
 * kernel.
 */
export interface Gate {
  shut(): void;
  open(): void;
  /** Must be called before the server is closed; leaves the gate open permanently. */
  remove(): void;
}

export type FirstWords =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'none' }
  /** The client closed its side without sending anything, or reset the connection, so nobody is there to answer. */
  | { readonly kind: 'ended' };

/** Without a library to call, nothing is tuned, and first bytes arrive like any others. */
const nothing = (): void => undefined;
const noGate: Gate = { shut: nothing, open: nothing, remove: nothing };
const none: Kernel = {
  tuneListener: () => noGate,
  firstWords: () => ({ kind: 'none' }),
  unsent: () => undefined,
};

/** Loads the C library; never fails. Only Bun can call a library. */
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
        // This comes first, because after a reset the bytes sent before it can still be read.
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
 * Replaces a listening socket with another file, and restores it. The socket stays registered with epoll, under the
 * same number, as long as any descriptor refers to it (https://man7.org/linux/man-pages/man7/epoll.7.html, questions 1
 * and 6).
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
