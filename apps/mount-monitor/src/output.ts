import { constants, fstatSync, openSync } from 'node:fs';

const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;

/**
 * Returns a descriptor for the same file as a standard stream, on which writes never wait for a reader.
 *
 * A pipe from a container runtime or a shell is blocking, and so is a terminal: a write waits until somebody reads, and
 * everything else in the process waits with it. Reopening the same pipe, FIFO or terminal through /proc gives a
 * separate open file description that does not block, and other holders of the old one are not affected. Where that is
 * not allowed (a pipe of another user) or not possible (a socket), the runtime's own stream makes the description
 * itself non-blocking, as Bun 1.4.4 and Node do on the first write. A regular file is left alone, because writes to it
 * do not wait.
 */
export function unblockedOutput(descriptor: 1 | 2): number {
  try {
    const kind = fstatSync(descriptor);
    if (kind.isFIFO() || kind.isCharacterDevice()) {
      return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    }
    if (!kind.isSocket()) return descriptor;
  } catch {
    // It is closed or cannot be reopened.
  }
  const stream = descriptor === 1 ? process.stdout : process.stderr;
  stream.on('error', () => undefined);
  stream.write('');
  return descriptor;
}
