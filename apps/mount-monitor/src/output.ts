import { constants, fstatSync, openSync } from 'node:fs';

const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;

/**
 * A descriptor of the same file as one of the standard streams, on which a write never waits for a reader.
 *
 * A pipe from a container runtime or a shell is blocking, and so is a terminal: a write waits as long as nobody reads, and
 * whatever else the process does waits with it. Opened again through /proc, the same pipe, FIFO or terminal has a
 * description of its own that does not block, and others who hold the old one notice nothing. Where that is not allowed
 * (a pipe of another user) or possible (a socket) the runtime's own stream makes the description itself non-blocking, as
 * Bun 1.4.4 and Node do when something is first written to it. A regular file stays as it is: its writes do not wait.
 */
export function unblockedOutput(descriptor: 1 | 2): number {
  try {
    const kind = fstatSync(descriptor);
    if (kind.isFIFO() || kind.isCharacterDevice()) {
      return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    }
    if (!kind.isSocket()) return descriptor;
  } catch {
    // Not to be opened again, or closed.
  }
  const stream = descriptor === 1 ? process.stdout : process.stderr;
  stream.on('error', () => undefined);
  stream.write('');
  return descriptor;
}
