import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { Bench, BenchContext, Sample } from '../bench.ts';
import { BenchError } from '../errors.ts';
import { anonymousBytes, runAll } from '../process.ts';
import { buildSidecar, nativeExecutable } from './binaries.ts';

const DEADLINE_MS = 30_000;
const POLL_MS = 2;
const CONNECTIONS = 64;
const LOAD_SECONDS = 5;
/** Long enough for the first checks, and what they left behind, to be over. */
const SETTLE_MS = 3_000;

/** A server that is running, and was seen to answer. */
interface Server {
  readonly child: ChildProcess;
  readonly url: string;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Starts a server and waits for its first 200. Throws SUBJECT_FAILED where it ends, or gives none in 30 s. */
async function start(file: string, args: readonly string[], url: string): Promise<Server> {
  const child = spawn(file, args, { stdio: 'ignore' });
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  const deadline = performance.now() + DEADLINE_MS;
  while ((await statusOf(url)) !== 200) {
    if (failure === undefined && child.exitCode === null && performance.now() < deadline) {
      await wait(POLL_MS);
      continue;
    }
    await stop({ child, url });
    throw new BenchError('SUBJECT_FAILED', `${file}: expected 200 from ${url} within ${DEADLINE_MS} ms`, {
      cause: failure,
    });
  }
  return { child, url };
}

async function stop({ child }: Server): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    get(url, { agent: false, timeout: 1000 }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode));
      response.once('error', () => resolve(undefined));
    }).once('error', () => resolve(undefined));
  });
}

/** Writes a configuration of so many healthy mounts, and gives what starts the sidecar with it. */
async function sidecarArguments(context: BenchContext, mounts: number, port: number): Promise<string[]> {
  const paths = Array.from({ length: mounts }, (_, index) => join(context.scratch, `mount-${index}`));
  for (const path of paths) {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, '.health-check'), 'ok\n');
  }
  const config = join(context.scratch, 'config.json');
  await writeFile(config, JSON.stringify({ httpPort: port, mounts: paths.map((path) => ({ path })) }));
  return ['--config', config];
}

/** From spawn to the first 200 on ready. */
export const sidecarStart: Bench = {
  name: 'sidecar-start',
  title: 'Sidecar: start',
  ours: 'spawn to the first 200 on /healthz/ready, one mount, its first check included',
  theirs: '`--help` of the same executable',
  unit: 'ms',
  target: { kind: 'at-most', ratio: 4 },
  async prepare(context) {
    const executable = nativeExecutable(await buildSidecar(context));
    const port = await freePort();
    const args = await sidecarArguments(context, 1, port);
    let server: Server | undefined;
    const end = async () => {
      if (server !== undefined) await stop(server);
      server = undefined;
    };
    return {
      ours: {
        before: end,
        run: async () => {
          server = await start(executable, args, `http://127.0.0.1:${port}/healthz/ready`);
          return {};
        },
      },
      theirs: { before: end, run: () => runAll([{ file: executable, args: ['--help'] }]) },
      close: end,
    };
  },
};

/** Memory at rest, of one mount and of 200: what more mounts cost. */
export const sidecarMounts: Bench = {
  name: 'sidecar-mounts',
  title: 'Sidecar: anonymous memory, 200 mounts against one',
  ours: 'watching 200 mounts',
  theirs: 'the same executable watching one',
  unit: 'bytes',
  target: { kind: 'report' },
  async prepare(context) {
    const executable = nativeExecutable(await buildSidecar(context));
    const side = (mounts: number) => ({
      run: async (): Promise<Sample> => {
        const port = await freePort();
        const args = await sidecarArguments(context, mounts, port);
        const server = await start(executable, args, `http://127.0.0.1:${port}/healthz/ready`);
        try {
          await wait(SETTLE_MS);
          return { value: anonymousBytes(server.child.pid ?? 0) };
        } finally {
          await stop(server);
        }
      },
    });
    return { ours: side(200), theirs: side(1) };
  },
};

const BARE_SERVER = `
import { createServer } from 'node:http';
const body = process.argv[3];
createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}).listen(Number(process.argv[2]), '127.0.0.1');
`;

/** Requests a second at 64 connections. */
export const sidecarEndpoints: Bench = {
  name: 'sidecar-endpoints',
  title: 'Sidecar: endpoints',
  ours: `/healthz/ready, ${CONNECTIONS} connections, ${LOAD_SECONDS} s`,
  theirs: 'a bare `node:http` server run by the same runtime, returning the same body',
  unit: 'requests/s',
  target: { kind: 'at-least', ratio: 0.8 },
  async prepare(context) {
    const executable = nativeExecutable(await buildSidecar(context));
    const [port, barePort] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${port}/healthz/ready`;
    const ours = await start(executable, await sidecarArguments(context, 1, port), url);
    try {
      const body = await (await fetch(url)).text();
      const program = join(context.scratch, 'server.mjs');
      await writeFile(program, BARE_SERVER);
      // A compiled executable is its runtime: told to be that, it runs any program.
      const args = ['BUN_BE_BUN=1', executable, program, String(barePort), body];
      const theirs = await start('env', args, `http://127.0.0.1:${barePort}/`);
      return {
        ours: { run: () => load(ours.url) },
        theirs: { run: () => load(theirs.url) },
        close: async () => {
          await stop(ours);
          await stop(theirs);
        },
      };
    } catch (error) {
      await stop(ours);
      throw error;
    }
  },
};

async function load(url: string): Promise<Sample> {
  const { requests, errors, statusCodeStats } = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: LOAD_SECONDS,
  });
  const good = statusCodeStats['200']?.count ?? 0;
  if (errors > 0 || good < requests.total) {
    throw new BenchError(
      'SUBJECT_FAILED',
      `${url}: expected only 200, found ${errors} errors, ${good} of ${requests.total}`,
    );
  }
  return { value: requests.average };
}
