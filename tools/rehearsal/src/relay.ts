import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Machine } from './machine.ts';

/** Runs in the container: passes connections to each port on to the socket that is named after it. */
const RELAY = `
const { connect, createServer } = require('node:net');
const [folder, ...ports] = process.argv.slice(1);
let waiting = ports.length;
for (const port of ports) {
  const server = createServer((from) => {
    const to = connect(folder + '/port-' + port);
    from.pipe(to).pipe(from);
    from.on('error', () => to.destroy());
    to.on('error', () => from.destroy());
  });
  server.listen(Number(port), '127.0.0.1', () => --waiting || console.log('ready'));
}
`;

/**
 * Makes ports on this machine's loopback reachable on the loopback of a job's container, through sockets in a folder of
 * the job: unlike ports, they do not belong to a network namespace. Disposing of it closes this machine's ends.
 */
export async function relayPorts(
  ports: readonly number[],
  folder: string,
  container: Pick<Machine, 'pathOf' | 'command'>,
): Promise<AsyncDisposable> {
  const disposables = new AsyncDisposableStack();
  if (ports.length === 0) return disposables;
  for (const port of ports) disposables.use(await passOn(join(folder, `port-${port}`), port));
  const program = ['node', '--eval', RELAY, container.pathOf(folder), ...ports.map(String)];
  const { file, args, cwd, env } = container.command(program, {});
  const relay = execa(file, args, { cwd, env, extendEnv: false, all: true, reject: false, stdin: 'ignore' });
  // It ends with the container.
  const ended = relay.then(({ all }) => {
    throw new Error(`relay in the container: ended\n${all}`);
  });
  try {
    await Promise.race([once(relay.stdout, 'data'), ended]);
    return disposables;
  } catch (error) {
    await disposables.disposeAsync();
    throw error;
  }
}

async function passOn(path: string, port: number): Promise<AsyncDisposable> {
  const open = new Set<Socket>();
  const server = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    from.pipe(to).pipe(from);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => open.delete(one));
    }
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const each of open) each.destroy();
      await closed;
    },
  };
}
