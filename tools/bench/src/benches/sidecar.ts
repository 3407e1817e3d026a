import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '@prebuilt/testing/free-port';
import type { Bench, BenchContext, Sample } from '../bench.ts';
import { BenchError } from '../errors.ts';
import {
  anonymousBytes,
  anonymousBytesOfTree,
  outputOf,
  processorMsOf,
  processorMsOfTree,
  runAll,
} from '../process.ts';
import { buildSidecar, nativeExecutable } from './binaries.ts';
import {
  CONNECTIONS,
  healthyMounts,
  LOAD_SECONDS,
  load,
  type Server,
  startServer,
  stopServer,
  watchArguments,
} from './server.ts';

/** Long enough for the first checks, and the memory they used, to be gone. */
const SETTLE_MS = 3_000;
const READY = '/healthz/ready';

/** Time from spawn to the first 200 on ready. */
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
    const paths = await healthyMounts(context.scratch, 1);
    const args = await watchArguments(context.scratch, paths, { httpPort: port });
    let server: Server | undefined;
    const end = async () => {
      if (server !== undefined) await stopServer(server);
      server = undefined;
    };
    return {
      ours: {
        before: end,
        run: async () => {
          server = await startServer(executable, args, `http://127.0.0.1:${port}${READY}`);
          return {};
        },
      },
      theirs: { before: end, run: () => runAll([{ file: executable, args: ['--help'] }]) },
      close: end,
    };
  },
};

/** Runs the sidecar on this many healthy mounts for as long as `use` takes. */
async function withSidecar<T>(
  context: BenchContext,
  executable: string,
  mounts: number,
  settings: Readonly<Record<string, unknown>>,
  use: (server: Server, port: number) => Promise<T>,
): Promise<T> {
  const port = await freePort();
  const paths = await healthyMounts(context.scratch, mounts);
  const args = await watchArguments(context.scratch, paths, { ...settings, httpPort: port });
  const server = await startServer(executable, args, `http://127.0.0.1:${port}${READY}`);
  try {
    return await use(server, port);
  } finally {
    await stopServer(server);
  }
}

/** Anonymous memory of the sidecar on this many mounts, once its first checks are over. */
async function idleMemory(context: BenchContext, executable: string, mounts: number): Promise<Sample> {
  return withSidecar(context, executable, mounts, {}, async ({ pid }) => {
    await wait(SETTLE_MS);
    return { value: anonymousBytes(pid) };
  });
}

const CHECKED_MOUNTS = 100;
const CHECKS = 10_000;
/** How long the checks may take, in ms: a machine may be too slow to start a hundred processes per second. */
const CHECKS_DEADLINE_MS = 30 * 60_000;

/** Memory that ten thousand checks leave behind. */
export const sidecarMemory: Bench = {
  name: 'sidecar-memory',
  title: 'Sidecar: anonymous memory',
  ours: `after ${CHECKS.toLocaleString('en-US')} checks of ${CHECKED_MOUNTS} mounts, one per second each or as fast as the machine can`,
  theirs: 'a process with the same mounts, idle after its first checks',
  unit: 'bytes',
  target: { kind: 'at-most', ratio: 1.1 },
  limit: 16e6,
  warmUp: false,
  async prepare(context) {
    const executable = nativeExecutable(await buildSidecar(context));
    const settings = { checkInterval: '1s', readTimeout: '900ms' };
    return {
      ours: {
        run: () =>
          withSidecar(context, executable, CHECKED_MOUNTS, settings, async ({ pid }, port) => ({
            value: await memoryAfterChecks(pid, port),
          })),
      },
      theirs: { run: () => idleMemory(context, executable, CHECKED_MOUNTS) },
    };
  },
};

async function memoryAfterChecks(pid: number, port: number): Promise<number> {
  const started = performance.now();
  for (let waitMs = 1.05 * 1000 * (CHECKS / CHECKED_MOUNTS); ; ) {
    // No requests meanwhile: a /metrics answer is as large as the memory growth to be measured.
    await wait(waitMs);
    const value = anonymousBytes(pid);
    const done = await checksDone(port);
    if (done >= CHECKS) return value;
    const elapsed = performance.now() - started;
    waitMs = 1.05 * (elapsed / done) * (CHECKS - done);
    if (elapsed + waitMs > CHECKS_DEADLINE_MS) {
      throw new BenchError(
        'SUBJECT_FAILED',
        `expected ${CHECKS} checks within ${CHECKS_DEADLINE_MS / 60_000} min, found ${done} in ${Math.round(elapsed / 1000)} s`,
      );
    }
  }
}

async function checksDone(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return [...text.matchAll(/^mount_monitor_checks_total\{[^}]*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

/** Memory of the sidecar on these mounts before it kept its probes, plus 6 MB. */
const MAX_MOUNTS_BYTES = 8.89e6 + 6e6;

/** Long enough for the kept probes to have checked each mount several times. */
const MOUNTS_SETTLE_MS = 20_000;

/** Memory with one mount and with 200, kept probes included: what more mounts cost. */
export const sidecarMounts: Bench = {
  name: 'sidecar-mounts',
  title: 'Sidecar: anonymous memory, 200 mounts against one',
  ours: 'watching 200 mounts, one check each every 5 s; the monitor and the probes that it keeps',
  theirs: 'the same executable watching one',
  unit: 'bytes',
  target: { kind: 'report' },
  limit: MAX_MOUNTS_BYTES,
  warmUp: false,
  async prepare(context) {
    const executable = nativeExecutable(await buildSidecar(context));
    const side = (mounts: number) => ({
      run: () =>
        withSidecar(
          context,
          executable,
          mounts,
          { checkInterval: '5s', readTimeout: '2s' },
          async ({ pid }) => {
            await wait(MOUNTS_SETTLE_MS);
            return { value: anonymousBytesOfTree(pid) };
          },
        ),
    });
    return { ours: side(200), theirs: side(1) };
  },
};

/** Setup for measuring the checks of a kept probe: many small mounts, checked often. */
export const PROCESSOR = {
  mounts: 20,
  seconds: 20,
  settings: { checkInterval: '1s', readTimeout: '900ms', logLevel: 'warn' },
} as const;

/** CPU time per check, in ms, of a server and its children, averaged over many checks once startup is over. */
export async function processorPerCheck({ pid }: Server): Promise<Sample> {
  await wait(SETTLE_MS);
  const before = processorMsOfTree(pid);
  await wait(PROCESSOR.seconds * 1000);
  return { value: (processorMsOfTree(pid) - before) / (PROCESSOR.seconds * PROCESSOR.mounts) };
}

/** A check of a healthy mount, against a process that reads the canary. */
export const sidecarProcessor: Bench = {
  name: 'sidecar-processor',
  title: 'Sidecar: processor time per check',
  ours: `${PROCESSOR.mounts} healthy mounts at 1 s for ${PROCESSOR.seconds} s, all processes of the sidecar`,
  theirs: 'a `cat` of each canary, one process for each',
  unit: 'ms',
  target: { kind: 'at-most', ratio: 1 },
  limit: 0.5,
  warmUp: false,
  async prepare(context) {
    const executable = nativeExecutable(await buildSidecar(context));
    const paths = await healthyMounts(context.scratch, PROCESSOR.mounts);
    const canaries = paths.map((path) => join(path, '.health-check'));
    return {
      ours: {
        run: () => withSidecar(context, executable, PROCESSOR.mounts, PROCESSOR.settings, processorPerCheck),
      },
      theirs: { run: () => processorPerCat(canaries) },
    };
  },
};

const CAT_ROUNDS = 20;

/** A shell reads the files again and again. Returns the CPU time of the shell and its children per read, in ms. */
async function processorPerCat(files: readonly string[]): Promise<Sample> {
  const script = `i=0; while [ $i -lt ${CAT_ROUNDS} ]; do for file do cat "$file" || exit 1; done; i=$((i+1)); done >/dev/null
    read -r line </proc/$$/stat; echo "$line"`;
  const stat = await outputOf({ file: 'sh', args: ['-c', script, 'sh', ...files] });
  return { value: processorMsOf(stat) / (CAT_ROUNDS * files.length) };
}

/** One pass over many mounts, each checked in its own process, against reading the files one by one. */
export const sidecarChecks: Bench = {
  name: 'sidecar-checks',
  title: 'Sidecar: one check of 200 mounts',
  ours: '`--init-container-mode`: each mount checked in its own process, start and exit included',
  theirs:
    'a shell that runs `cat` on the 200 canaries, one after the other, and hangs with the first that hangs',
  unit: 'ms',
  target: { kind: 'report' },
  async prepare(context) {
    const executable = nativeExecutable(await buildSidecar(context));
    const paths = await healthyMounts(context.scratch, 200);
    const args = await watchArguments(context.scratch, paths, { httpPort: await freePort() });
    const script = join(context.scratch, 'read-all.sh');
    await writeFile(script, 'for path do cat "$path/.health-check" || exit 1; done\n');
    return {
      ours: { run: () => runAll([{ file: executable, args: ['--init-container-mode', ...args] }]) },
      theirs: { run: () => runAll([{ file: 'sh', args: [script, ...paths] }]) },
    };
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

/** Starts a bare server on the same runtime that always gives the same answer. */
async function startBareServer(context: BenchContext, executable: string, body: string): Promise<Server> {
  const port = await freePort();
  const program = join(context.scratch, 'server.mjs');
  await writeFile(program, BARE_SERVER);
  // A compiled executable contains the whole runtime: with this variable it acts as `bun` and runs any program.
  const args = ['BUN_BE_BUN=1', executable, program, String(port), body];
  return startServer('env', args, `http://127.0.0.1:${port}/`);
}

/** The sidecar's answers under load, against those of a bare server on the same runtime. */
function endpointsBench(
  measure: 'requestsPerSecond' | 'p99',
  fields: Pick<Bench, 'name' | 'title' | 'unit' | 'target'>,
): Bench {
  return {
    ...fields,
    ours: `${READY}, ${CONNECTIONS} connections, ${LOAD_SECONDS} s`,
    theirs: 'a bare `node:http` server run by the same runtime, returning the same body',
    async prepare(context) {
      const executable = nativeExecutable(await buildSidecar(context));
      const port = await freePort();
      const url = `http://127.0.0.1:${port}${READY}`;
      const paths = await healthyMounts(context.scratch, 1);
      const args = await watchArguments(context.scratch, paths, { httpPort: port });
      const ours = await startServer(executable, args, url);
      try {
        const theirs = await startBareServer(context, executable, await (await fetch(url)).text());
        return {
          ours: { run: async () => ({ value: (await load(ours.url))[measure] }) },
          theirs: { run: async () => ({ value: (await load(theirs.url))[measure] }) },
          close: async () => {
            await stopServer(ours);
            await stopServer(theirs);
          },
        };
      } catch (error) {
        await stopServer(ours);
        throw error;
      }
    },
  };
}

/** Requests per second of a server in the first second after its start. */
async function firstSecond(start: () => Promise<Server>): Promise<Sample> {
  const server = await start();
  try {
    return { value: (await load(server.url, 1)).requestsPerSecond };
  } finally {
    await stopServer(server);
  }
}

/** The first second of a new server, before its code is compiled by the JIT. */
const sidecarEndpointsFirst: Bench = {
  name: 'sidecar-endpoints-first',
  title: 'Sidecar: endpoints, in the first second',
  ours: `${READY}, ${CONNECTIONS} connections, the first second of a new process`,
  theirs: 'the same for a bare `node:http` server run by the same runtime, returning the same body',
  unit: 'requests/s',
  target: { kind: 'at-least', ratio: 1 },
  async prepare(context) {
    const executable = nativeExecutable(await buildSidecar(context));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}${READY}`;
    const paths = await healthyMounts(context.scratch, 1);
    const args = await watchArguments(context.scratch, paths, { httpPort: port });
    const first = await startServer(executable, args, url);
    const body = await (await fetch(url)).text().finally(() => stopServer(first));
    return {
      ours: { run: () => firstSecond(() => startServer(executable, args, url)) },
      theirs: { run: () => firstSecond(() => startBareServer(context, executable, body)) },
    };
  },
};

/** Requests per second, and the slowest answers, with 64 connections. */
export const sidecarEndpoints: readonly Bench[] = [
  endpointsBench('requestsPerSecond', {
    name: 'sidecar-endpoints',
    title: 'Sidecar: endpoints',
    unit: 'requests/s',
    target: { kind: 'at-least', ratio: 1 },
  }),
  sidecarEndpointsFirst,
  endpointsBench('p99', {
    name: 'sidecar-endpoints-p99',
    title: 'Sidecar: endpoints, 99th percentile',
    unit: 'ms',
    target: { kind: 'report' },
  }),
];
