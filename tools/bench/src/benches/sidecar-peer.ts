import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '@prebuilt/testing/free-port';
import { execa } from 'execa';
import type { Bench, BenchContext, Sample } from '../bench.ts';
import { BenchError } from '../errors.ts';
import { anonymousBytesOfTree, requireExecutable, requireProgram } from '../process.ts';
import { buildSidecar, nativeExecutable } from './binaries.ts';
import {
  healthyMounts,
  load,
  type Server,
  startServer,
  stopServer,
  untilStatus,
  watchArguments,
} from './server.ts';
import { PROCESSOR, processorPerCheck } from './sidecar.ts';

const SETTLE_MS = 3_000;
const DEADLINE_MS = 60_000;

type Measure = (start: () => Promise<Server>) => Promise<Sample>;

/** The sidecar against another program with the same command line and configuration. */
function peerBench(
  peer: string,
  fields: Pick<Bench, 'name' | 'title' | 'unit'> & Partial<Pick<Bench, 'target'>> & { readonly what: string },
  prepareMounts: (context: BenchContext) => Promise<Mounts>,
  measure: (mounts: Mounts, log: string) => Measure,
): Bench {
  return {
    name: fields.name,
    title: fields.title,
    unit: fields.unit,
    ours: fields.what,
    theirs: `the same for ${basename(peer)}`,
    target: fields.target ?? { kind: 'report' },
    async prepare(context) {
      await requireExecutable(peer);
      const executable = nativeExecutable(await buildSidecar(context));
      const mounts = await prepareMounts(context);
      const log = join(context.scratch, 'log');
      const side = (file: string) => ({
        run: async () => {
          const port = await freePort();
          const args = await watchArguments(context.scratch, mounts.paths, {
            ...mounts.settings,
            httpPort: port,
          });
          let server: Server | undefined;
          try {
            return await measure(
              mounts,
              log,
            )(async () => {
              server = await startServer(file, args, `http://127.0.0.1:${port}/healthz/ready`, log);
              return server;
            });
          } finally {
            await mounts.heal();
            if (server !== undefined) await stopServer(server);
          }
        },
      });
      return { ours: side(executable), theirs: side(peer), close: () => mounts.close() };
    },
  };
}

interface Mounts {
  readonly paths: readonly string[];
  readonly settings: Readonly<Record<string, unknown>>;
  /** Makes the mounts that can hang stop answering. */
  hang(): void;
  heal(): Promise<void>;
  close(): Promise<void>;
}

/** Mounts that cannot hang. */
const plainMounts =
  (count: number, settings: Mounts['settings'] = {}) =>
  async (context: BenchContext): Promise<Mounts> => ({
    paths: await healthyMounts(context.scratch, count),
    settings,
    hang: () => undefined,
    heal: async () => undefined,
    close: async () => undefined,
  });

/** Ten plain folders, and ten in a FUSE mount of rclone whose process can be stopped. */
async function hangingMounts(context: BenchContext): Promise<Mounts> {
  await requireProgram('rclone', ['version']);
  const behind = join(context.scratch, 'behind');
  const mountPoint = join(context.scratch, 'fuse');
  await healthyMounts(behind, 10);
  await mkdir(mountPoint);
  const options = ['--vfs-cache-mode=off', '--dir-cache-time=0s', '--attr-timeout=0s'];
  const daemon = spawn('rclone', ['mount', `:local:${behind}`, mountPoint, ...options], { stdio: 'ignore' });
  const exited = once(daemon, 'exit');
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await readFile('/proc/self/mountinfo', 'utf8')).includes(` ${mountPoint} `)) {
    if (daemon.exitCode !== null || performance.now() > deadline)
      throw new BenchError('PREREQUISITE', `rclone mount: expected a mount at ${mountPoint}, found none`, {
        hint: 'It needs root or fusermount3, and /dev/fuse.',
      });
    await wait(50);
  }
  return {
    paths: [
      ...(await healthyMounts(context.scratch, 10)),
      ...Array.from({ length: 10 }, (_, index) => join(mountPoint, `mount-${index}`)),
    ],
    settings: { checkInterval: '1s', readTimeout: '500ms', failureThreshold: 1, logLevel: 'debug' },
    hang: () => void daemon.kill('SIGSTOP'),
    heal: async () => void daemon.kill('SIGCONT'),
    close: async () => {
      daemon.kill('SIGCONT');
      await execa('umount', ['--lazy', mountPoint]);
      daemon.kill('SIGKILL');
      await exited;
    },
  };
}

/** How long a healthy mount is watched while ten others hang, in ms. */
const WATCH_MS = 20_000;

/** The longest time without a check of this mount since `since` (as of `Date.now`), from the log at level debug. */
function longestGap(log: string, path: string, since: number): number {
  const times = log
    .split('\n')
    .filter(
      (line) => line.includes('"health check passed"') && line.includes(`"path":${JSON.stringify(path)}`),
    )
    .map((line) => Date.parse(String((JSON.parse(line) as { readonly time: unknown }).time)));
  const watched = [...times.filter((time) => time >= since), Date.now()];
  return Math.max(...watched.map((time, index) => time - (watched[index - 1] ?? since)));
}

/** Start, memory, CPU time, endpoints and hung mounts: the sidecar against the program at `peer`. */
export function sidecarPeer(peer: string): readonly Bench[] {
  return [
    peerBench(
      peer,
      {
        name: 'peer-start',
        title: 'Peer: start',
        unit: 'ms',
        what: 'spawn to the first 200 on /healthz/ready',
      },
      plainMounts(1),
      () => async (start) => {
        const spawned = performance.now();
        await start();
        return { value: performance.now() - spawned };
      },
    ),
    peerBench(
      peer,
      {
        name: 'peer-memory',
        title: 'Peer: anonymous memory',
        unit: 'bytes',
        what: '200 mounts, one check each every 5 s, child processes included',
      },
      plainMounts(200, { checkInterval: '5s', readTimeout: '2s' }),
      () => async (start) => {
        const { pid } = await start();
        await wait(WATCH_MS);
        return { value: anonymousBytesOfTree(pid) };
      },
    ),
    peerBench(
      peer,
      {
        name: 'peer-processor',
        title: 'Peer: processor time per check',
        unit: 'ms',
        what: `${PROCESSOR.mounts} healthy mounts at 1 s for ${PROCESSOR.seconds} s, child processes included`,
      },
      plainMounts(PROCESSOR.mounts, PROCESSOR.settings),
      () => async (start) => processorPerCheck(await start()),
    ),
    peerBench(
      peer,
      {
        name: 'peer-endpoints',
        title: 'Peer: endpoints',
        unit: 'requests/s',
        what: '/healthz/ready under load',
      },
      plainMounts(1),
      () => async (start) => ({ value: (await load((await start()).url)).requestsPerSecond }),
    ),
    peerBench(
      peer,
      {
        name: 'peer-hung',
        title: 'Peer: 10 hung of 20 mounts, time to detect',
        unit: 'ms',
        what: 'from the stop of the mount’s process to 503 on /healthz/ready; interval 1 s, time-out 0.5 s, threshold 1',
      },
      hangingMounts,
      (mounts) => async (start) => {
        const { url } = await start();
        await wait(SETTLE_MS);
        const stopped = performance.now();
        mounts.hang();
        if (!(await untilStatus(url, 503, DEADLINE_MS)))
          throw new BenchError(
            'SUBJECT_FAILED',
            `${url}: expected 503 within ${DEADLINE_MS / 1000} s of the stop`,
          );
        return { value: performance.now() - stopped };
      },
    ),
    peerBench(
      peer,
      {
        name: 'peer-rhythm',
        title: 'Peer: 10 hung of 20 mounts, checks of a healthy one',
        unit: 'ms',
        what: 'the longest time between two checks of a healthy mount; interval 1 s, time-out 0.5 s',
        // A program that checks one mount after the other waits half a second for each of the ten.
        target: { kind: 'at-most', ratio: 0.5 },
      },
      hangingMounts,
      (mounts, log) => async (start) => {
        await start();
        await wait(SETTLE_MS);
        const since = Date.now();
        mounts.hang();
        await wait(WATCH_MS);
        return { value: longestGap(await readFile(log, 'utf8'), mounts.paths[0] ?? '', since) };
      },
    ),
  ];
}

/** The names of the benchmarks that `--peer` adds. */
export const PEER_NAMES = sidecarPeer('PEER').map(({ name }) => name);
