interface BunRuntime {
  gc(synchronous: boolean): unknown;
  readonly unsafe: { setJITPolicy(scale: number): void };
}

/** Only where Bun runs this; Node offers none of it, and needs none. */
const bun = (globalThis as { readonly Bun?: BunRuntime }).Bun;

/** Collects what is not in use any more; takes about 4 ms. */
export function collectGarbage(): void {
  bun?.gc(true);
}

/** Compiles functions to machine code so many times later than usual. */
export function compileLater(scale: number): void {
  bun?.unsafe.setJITPolicy(scale);
}

/** `IPPROTO_TCP` and `TCP_DEFER_ACCEPT` of Linux, on every processor. */
const TCP = 6;
const TCP_DEFER_ACCEPT = 9;

/**
 * Sets what the runtime offers no way to set on a listening socket (https://man7.org/linux/man-pages/man7/tcp.7.html):
 * the kernel holds back `connections` where Bun always asks for 512, so that no client's first packet is lost, to be
 * sent again only after 1 s, when many come at once; and it hands over a connection only when the client has said
 * something, or after a second. Where it cannot be done, nothing changes.
 */
export async function tuneListener(server: object, connections: number): Promise<void> {
  const descriptor = (server as { readonly _handle?: { readonly fd?: unknown } })._handle?.fd;
  if (bun === undefined || typeof descriptor !== 'number' || descriptor < 0) return;
  try {
    const { dlopen } = await import('bun:ffi');
    const { symbols } = dlopen('libc.so.6', {
      listen: { args: ['i32', 'i32'], returns: 'i32' },
      setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'i32'], returns: 'i32' },
    });
    symbols.listen(descriptor, connections);
    symbols.setsockopt(descriptor, TCP, TCP_DEFER_ACCEPT, new Int32Array([1]), 4);
  } catch {
    // No such library to call: the socket stays as it is.
  }
}
