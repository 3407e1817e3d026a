import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { execa } from 'execa';
import { BenchError } from '../errors.ts';

const DEADLINE_MS = 5 * 60_000;
const POLL_MS = 2;
/** Number of connections that the load generator opens. */
export const CONNECTIONS = 64;
/** How long the load generator runs by default, in seconds. */
export const LOAD_SECONDS = 5;

/** A running server that has answered. */
export interface Server {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly url: string;
}

/**
 * Starts a server and waits for its first 200. Its stdout goes to the file `log`. Throws SUBJECT_FAILED if it exits or
 * does not answer with 200 within 5 min.
 */
export async function startServer(
  file: string,
  args: readonly string[],
  url: string,
  log = '/dev/null',
): Promise<Server> {
  const output = await open(log, 'w');
  const child = spawn(file, args, { stdio: ['ignore', output.fd, 'ignore'] });
  await output.close();
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  const ended = () => failure !== undefined || child.exitCode !== null || child.signalCode !== null;
  const answered = await untilStatus(url, 200, DEADLINE_MS, ended);
  if (answered && child.pid !== undefined) return { child, pid: child.pid, url };
  await stopServer({ child });
  throw new BenchError('SUBJECT_FAILED', `${file}: expected 200 from ${url} within ${DEADLINE_MS / 1000} s`, {
    cause: failure,
  });
}

/** Kills a server and waits for it to exit. */
export async function stopServer({ child }: Pick<Server, 'child'>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/**
 * Polls until the answer has this status. Returns false after `deadlineMs`, or once `ended` returns true. The interval
 * grows to 1 % of the time elapsed, so that the measured server is not kept busy with answering.
 */
export async function untilStatus(
  url: string,
  status: number,
  deadlineMs: number,
  ended: () => boolean = () => false,
): Promise<boolean> {
  const asked = performance.now();
  while ((await statusOf(url)) !== status) {
    const elapsed = performance.now() - asked;
    if (ended() || elapsed > deadlineMs) return false;
    await wait(Math.max(POLL_MS, elapsed / 100));
  }
  return true;
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 1000 }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode));
      response.once('error', () => resolve(undefined));
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(undefined));
  });
}

/** Makes folders with a canary each, which pass as healthy mounts. */
export async function healthyMounts(folder: string, count: number): Promise<readonly string[]> {
  const paths = Array.from({ length: count }, (_, index) => join(folder, `mount-${index}`));
  for (const path of paths) {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, '.health-check'), 'ok\n');
  }
  return paths;
}

/** Writes a configuration that watches these paths. Returns the arguments that start the sidecar with it. */
export async function watchArguments(
  folder: string,
  paths: readonly string[],
  settings: Readonly<Record<string, unknown>>,
): Promise<string[]> {
  const config = join(folder, 'config.json');
  await writeFile(config, JSON.stringify({ ...settings, mounts: paths.map((path) => ({ path })) }));
  return ['--config', config];
}

/** A server's performance under load. */
export interface Load {
  readonly requestsPerSecond: number;
  /** 99th percentile of the answer times, in ms. */
  readonly p99: number;
}

/** What wrk.lua prints; times are in µs. */
interface WrkResult {
  readonly requests: number;
  readonly duration: number;
  readonly p99: number;
  readonly errors: number;
}

/**
 * Sends as many requests as a server answers, over 64 connections. Throws PREREQUISITE if wrk can't be run, and
 * SUBJECT_FAILED for any error, or any answer of 400 and above. It must be a load generator that takes less processor time
 * per request than the server, or it would measure itself: wrk takes 5 µs where the sidecar takes 7 (autocannon: 13).
 */
export async function load(url: string, seconds = LOAD_SECONDS): Promise<Load> {
  const script = join(import.meta.dirname, 'wrk.lua');
  const args = [
    '--threads=1',
    `--connections=${CONNECTIONS}`,
    `--duration=${seconds}s`,
    `--script=${script}`,
  ];
  const result = await execa('wrk', [...args, url], { reject: false, stdin: 'ignore' });
  if (result.failed)
    throw new BenchError('PREREQUISITE', `wrk: ${result.shortMessage}`, { hint: 'apt-get install wrk' });
  const { requests, duration, p99, errors }: WrkResult = JSON.parse(result.stdout.split('\n').at(-1) ?? '');
  if (errors > 0)
    throw new BenchError(
      'SUBJECT_FAILED',
      `${url}: expected only 200, found ${errors} errors in ${requests} requests`,
    );
  return { requestsPerSecond: requests / (duration / 1e6), p99: p99 / 1e3 };
}
