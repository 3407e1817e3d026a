import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * The ports to choose from. The kernel gives none of them to a socket that asks for any port, such as a client's: by
 * default these are from 32768 on, and https://www.iana.org/assignments/service-names-port-numbers reserves those from
 * 49152 on for the purpose. Otherwise, one might be taken between this program's look and the server's start.
 */
const [FIRST, END] = [10_000, 32_768];
const MAX_ATTEMPTS = 100;

/** Finds a TCP port that was free on every address of this machine a moment ago. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const port = randomInt(FIRST, END);
    if (await isFree(port)) return port;
  }
  throw new Error(`expected a free port between ${FIRST} and ${END}, found none in ${MAX_ATTEMPTS} attempts`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port), 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
