import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { parseDuration } from '../src/config/duration.ts';
import { MAX_CONNECTIONS, MAX_NEWCOMERS } from '../src/http/connections.ts';
import { abuses } from './abuse.ts';
import { makeMemoryCgroup } from './cgroup.ts';
import { compile } from './compile.ts';
import { type ApiOutcome, FakeCluster, status } from './kube/cluster.ts';
import { startFakeKubeServer } from './kube/server.ts';
import { Machine } from './machine.ts';
import { MonitorProcess, Scratch } from './monitor-process.ts';
import { canMountFuse, FaultMount, hasRclone, RcloneMount } from './mounts.ts';
import { anonymousOf, childrenOf, descriptorsOf, waitedTimesOf } from './proc.ts';

const help = `npm run soak -- [--duration 10m] [--rate 500] [--seed N]

Runs the compiled executable with load on its endpoints, every client of abuse.ts in turn, reloads, brief API server
outages, and real mounts that fail at random. Exits 1 on any error, missed check, lost transition or unanswered probe,
on growth of memory, processes or file descriptors, and on use of more than 64 MiB of memory, measured with a control
group of that limit if this machine allows one, and otherwise as the memory of the monitor and its probes.
`;

const intervalMs = 2000;
const readTimeoutMs = 500;
const plainMounts = 20;
const faultyMounts = 5;

/** The sidecar's memory limit in deploy/, in bytes. */
const limitBytes = 64 * 1024 * 1024;

/** A small generator of numbers from 0 to 1 with a seed, so that a run can be repeated. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Faults of a single request to the API server. */
const blips: readonly ApiOutcome[] = [
  { kind: 'reset' },
  { kind: 'silence' },
  status(503, 'ServiceUnavailable', 'unavailable'),
  status(401, 'Unauthorized', 'Unauthorized'),
];

/** How quickly a probe must be answered. */
const answerMs = 250;

/**
 * How many requests over keep-alive connections may hit one that has just been cut: a fraction of all, and in a short
 * run a number that chance explains, since each connection that an abuser displaces is one opportunity.
 */
const MAX_CUT_SHARE = 0.0001;
const MIN_CUTS = 10;

const CUTS = /^mount_monitor_http_connections_cut_total.* [1-9]\d*$/gm;

/** How long a client of abuse.ts runs. */
const abuseMs = 4000;

/** Runs one abusive client after another, from a separate address. */
class Abusers implements Disposable {
  readonly #port: number;
  readonly #until: number;
  #child: ChildProcess | undefined;
  count = 0;

  constructor(port: number, until: number) {
    this.#port = port;
    this.#until = until;
  }

  /** How many times every client has run. */
  get round(): number {
    return Math.floor(this.count / Object.keys(abuses).length);
  }

  async run(): Promise<void> {
    const program = fileURLToPath(new URL('./abuse.ts', import.meta.url));
    for (let next = 0; performance.now() + abuseMs < this.#until; next += 1) {
      const name = Object.keys(abuses)[next % Object.keys(abuses).length] ?? '';
      const child = spawn(process.execPath, [program, name, String(this.#port), '127.0.0.3'], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      this.#child = child;
      await new Promise((resolve) => setTimeout(resolve, abuseMs));
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
      this.count += 1;
    }
  }

  [Symbol.dispose](): void {
    this.#child?.kill('SIGKILL');
  }
}

interface Sample {
  /** How many times every client had run. */
  readonly round: number;
  readonly anonymous: number;
  readonly processes: number;
  readonly descriptors: number;
}

async function soak(durationMs: number, rate: number, seed: number): Promise<readonly string[]> {
  const random = seeded(seed);
  const given = process.env.MOUNT_MONITOR_EXECUTABLE;
  using scratch = new Scratch();
  const executable = given ?? join(scratch.path, 'mount-monitor');
  if (given === undefined) compile(executable);
  await using machine = await Machine.watch(executable);
  // Ended after an error, too: a hanging mount would keep its folder from being removed, and the error from being told.
  await using fault = canMountFuse ? await FaultMount.mount(scratch, 'f') : undefined;
  await using rclone = hasRclone ? await RcloneMount.mount(scratch, 'r') : undefined;
  const cluster = new FakeCluster();
  const { uid } = cluster.addPod({ name: 'media-0' });
  cluster.rules = [
    { verb: 'get', resource: 'pods', names: ['media-0'] },
    { verb: 'create', resource: 'events' },
  ];
  const kube = await startFakeKubeServer(cluster);
  const steady = scratch.mount('steady');
  const plain = Array.from({ length: plainMounts }, (_, index) => ({ path: scratch.mount(`m${index}`) }));
  const faulty = Array.from({ length: fault === undefined ? 0 : faultyMounts }, (_, index) => ({
    path: `${fault?.path}/d${index}`,
  }));
  const config = (reloads: number) => ({
    checkInterval: `${intervalMs}ms`,
    readTimeout: `${readTimeoutMs}ms`,
    logLevel: 'debug',
    failureThreshold: 1 + (reloads % 3),
    watchdog: { enabled: true, mode: 'notify' },
    mounts: [
      { path: steady, name: 'steady' },
      ...plain.slice(reloads % 2),
      ...faulty,
      ...(rclone === undefined ? [] : [{ path: rclone.path, name: 'rclone' }]),
    ],
  });
  const group = makeMemoryCgroup(`mount-monitor-soak-${process.pid}`, limitBytes);
  await using monitor = await MonitorProcess.start(executable, scratch, config(0), {
    ...(group === undefined ? {} : { wrapper: group.wrapper }),
    env: {
      POD_NAME: 'media-0',
      POD_NAMESPACE: 'media',
      POD_UID: uid,
      WATCHDOG_SERVICE_ACCOUNT_DIR: kube.serviceAccountDir,
      ...kube.env,
    },
  });
  const pid = monitor.child.pid ?? 0;
  const problems: string[] = [];
  const samples: Sample[] = [];
  const end = performance.now() + durationMs;
  let reloads = 0;
  // Its output would fill this process's memory; the relevant numbers come from the metrics.
  const failures = new Map<string, number>();
  const load = new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        url: `http://127.0.0.1:${monitor.port}`,
        connections: 20,
        duration: Math.ceil(durationMs / 1000),
        overallRate: rate,
        requests: [
          '/healthz/live',
          '/healthz/ready',
          '/healthz/status',
          '/healthz/self',
          '/metrics',
          '/version',
          '/',
          '/nope',
        ].map((path) => ({ path })),
      },
      (error: Error | null, result) => (error ? reject(error) : resolve(result)),
    );
    instance.on('reqError', (error: Error) => {
      failures.set(error.message, (failures.get(error.message) ?? 0) + 1);
    });
  });
  await monitor.untilStatus('healthy');
  using abusers = new Abusers(monitor.port, end);
  const abused = abusers.run();
  const held = new HeldUp(pid, machine);
  const ownDelay = monitorEventLoopDelay({ resolution: 10 });
  ownDelay.enable();
  let slowestProbe = 0;
  let mostBytes = 0;
  let cuts = '';
  const step = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const index = Math.floor(random() * plainMounts);
    const canary = join(scratch.path, `m${index}`, '.health-check');
    if (random() < 0.5) rmSync(canary, { force: true });
    else writeFileSync(canary, 'ok\n');
    if (random() < 0.1) await fault?.fault(random() < 0.5 ? 'hold' : random() < 0.5 ? 'error EIO' : 'none');
    if (random() < 0.05) {
      reloads += 1;
      scratch.write('config.json', JSON.stringify({ ...config(reloads), httpPort: monitor.port }));
      monitor.signal('SIGHUP');
    }
    if (random() < 0.1) rclone?.signalServer(random() < 0.5 ? 'SIGSTOP' : 'SIGCONT');
    if (random() < 0.1)
      cluster.fail(() => true, blips[Math.floor(random() * blips.length)] ?? { kind: 'reset' });
    held.look();
    // Like the kubelet, over a new connection. Whatever delays this process delays the bare server's answer, too.
    const askedAt = Date.now();
    ownDelay.reset();
    const [probe, bareMs] = await Promise.all([
      monitor.get('/healthz/live').catch((error: Error) => error),
      machine.answer(),
    ]);
    held.look();
    if (probe instanceof Error) problems.push(`a probe was not answered: ${probe.message}`);
    else {
      const { milliseconds } = probe;
      slowestProbe = Math.max(slowestProbe, milliseconds);
      const ownMs = Math.max(bareMs, ownDelay.max / 1e6);
      const excuseMs = milliseconds > answerMs ? ownMs + held.between(askedAt, Date.now()) : 0;
      if (milliseconds > answerMs + excuseMs)
        problems.push(
          `a probe was answered after ${Math.round(milliseconds)} ms, of which the machine caused ${Math.round(excuseMs)}`,
        );
    }
    const probes = childrenOf(pid);
    samples.push({
      round: abusers.round,
      anonymous: anonymousOf(pid),
      processes: probes.length,
      descriptors: descriptorsOf(pid),
    });
    mostBytes = Math.max(mostBytes, group?.used() ?? heldBytes([pid, ...probes]));
    const metrics = await monitor.get('/metrics').catch((error: Error) => error);
    if (metrics instanceof Error) problems.push(`the metrics were not answered: ${metrics.message}`);
    else cuts = metrics.body.match(CUTS)?.join(', ') ?? 'none';
  };
  while (performance.now() < end) {
    // What is read of a process that has just ended is not there.
    await step().catch((error: unknown) => {
      if (!monitor.hasEnded) throw error;
    });
    if (monitor.hasEnded) return [...problems, ...endingOf(monitor, abusers.round, group?.killed() ?? 0)];
  }
  const result = await load;
  await abused;
  await fault?.fault('none');
  rclone?.signalServer('SIGCONT');
  monitor.signal('SIGTERM');
  const { code } = await monitor.exited;
  await fault?.[Symbol.asyncDispose]();
  await rclone?.[Symbol.asyncDispose]();
  await kube.close();
  const killed = group?.killed() ?? 0;
  await group?.remove();
  const kept = group === undefined ? 'measured by process' : 'in a control group';
  console.log(`at most ${(mostBytes / 1024 / 1024).toFixed(1)} of 64 MiB, ${kept}`);
  if (killed > 0) problems.push(`the kernel killed ${killed} processes for their memory`);
  if (mostBytes > limitBytes) problems.push(`${mostBytes} bytes were used, ${limitBytes} are allowed`);

  const statusCodes = result.statusCodeStats ?? {};
  const codes = Object.entries(statusCodes).map(([status, { count }]) => `${count} × ${status}`);
  console.log(
    `${result.requests.total} requests (${codes.join(', ')}), ${Math.round(result.requests.average)}/s, latency p50 ${result.latency.p50} ms, p99 ${result.latency.p99} ms, max ${result.latency.max} ms`,
  );
  console.log(`${reloads} reloads`);
  console.log(
    `${abusers.count} clients abused it; slowest probe meanwhile ${Math.round(slowestProbe)} ms; ${cluster.events.length} Events`,
  );
  problems.push(...missedChecks(monitor, held), ...brokenChains(monitor));
  // A keep-alive connection may be cut right before it is used again; its client then retries.
  if (result.errors > Math.max(MIN_CUTS, MAX_CUT_SHARE * result.requests.total) || result.timeouts > 0)
    problems.push(
      `${result.errors} requests failed, ${result.timeouts} timed out: ${[...failures].map(([message, count]) => `${count} × ${message}`).join(', ')}; connections cut: ${cuts}`,
    );
  const unexpected = Object.keys(statusCodes).filter((status) => !['200', '404', '503'].includes(status));
  if (unexpected.length > 0) problems.push(`unexpected status codes: ${unexpected.join(', ')}`);
  if (code !== 0) problems.push(`the monitor exited with ${code} on SIGTERM`);
  // In mode notify, this is how the watchdog reports the mounts that fail here.
  const errors = monitor
    .log()
    .filter(({ level, msg }) => level === 'error' && msg !== 'watchdog: mounts are unhealthy');
  if (errors.length > 0)
    problems.push(`${errors.length} errors in the log, the first: ${JSON.stringify(errors[0])}`);
  return [...problems, ...growth(samples)];
}

/** How a monitor ended that should have run on. */
function endingOf({ child, stderr }: MonitorProcess, round: number, killed: number): readonly string[] {
  return [
    `the monitor ended with ${child.exitCode ?? child.signalCode} in round ${round} of the clients`,
    ...(killed > 0 ? [`the kernel killed ${killed} processes for their memory`] : []),
    ...(stderr === '' ? [] : [`its last lines on stderr: ${stderr.slice(-2000)}`]),
  ];
}

/** The anonymous memory of processes, some of which may have exited in the meantime. */
function heldBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      return sum + (anonymousOf(pid) || 0) * 1024;
    } catch {
      return sum;
    }
  }, 0);
}

/** Delays of the monitor that are not its fault: it waited for a processor, or process starts were late. */
class HeldUp {
  readonly #pid: number;
  readonly #machine: Machine;
  readonly #looks: { readonly at: number; readonly waitedMs: number }[] = [];
  #waitedMs = 0;
  #times: ReadonlyMap<string, number> = new Map();

  constructor(pid: number, machine: Machine) {
    this.#pid = pid;
    this.#machine = machine;
    this.look();
  }

  /** Adds up the time its threads have waited since the last look, because the main thread may wait for any of them. */
  look(): void {
    const times = waitedTimesOf(this.#pid);
    for (const [thread, waitedMs] of times) this.#waitedMs += waitedMs - (this.#times.get(thread) ?? 0);
    this.#times = times;
    this.#looks.push({ at: Date.now(), waitedMs: this.#waitedMs });
  }

  /** The delay between two times of `Date.now`, in ms; its precision depends on how often `look` is called. */
  between(from: number, to: number): number {
    const before = this.#looks.findLast(({ at }) => at <= from) ?? this.#looks[0];
    const after = this.#looks.find(({ at }) => at >= to) ?? this.#looks.at(-1);
    const waitedMs = (after?.waitedMs ?? 0) - (before?.waitedMs ?? 0);
    return waitedMs + this.#machine.latenessBetween(from, to);
  }
}

/** The checks, according to the log, of the mount that never fails: each passed, and none is missing. */
function missedChecks(monitor: MonitorProcess, held: HeldUp): readonly string[] {
  const problems: string[] = [];
  // Almost two of the shortest intervals: a tick was missed.
  const limitMs = 1.8 * intervalMs;
  let longest = { gap: 0, excuseMs: 0 };
  let count = 0;
  let previous: number | undefined;
  const checks = monitor
    .log()
    .filter(({ msg, name }) => name === 'steady' && msg.startsWith('health check '));
  for (const { msg, time, reason } of checks.toSorted((a, b) => (String(a.time) < String(b.time) ? -1 : 1))) {
    const at = Date.parse(String(time));
    const from = previous ?? at;
    const gap = at - from;
    previous = at;
    count += 1;
    const excuseMs = held.between(from, at);
    if (gap > longest.gap) longest = { gap, excuseMs };
    if (gap > limitMs + excuseMs)
      problems.push(
        `a check of the steady mount came after ${gap} ms, of which the machine caused ${Math.round(excuseMs)}`,
      );
    if (msg !== 'health check passed' && excuseMs < readTimeoutMs)
      problems.push(`${msg} on the steady mount (${reason}); the machine caused ${Math.round(excuseMs)} ms`);
  }
  console.log(
    `${count} checks of the steady mount every ${intervalMs} ms, longest gap ${longest.gap} ms, of which the machine caused ${Math.round(longest.excuseMs)}`,
  );
  return problems;
}

/**
 * Each transition in the log starts where the mount's previous one ended, or from `unknown` after a reconfiguration.
 */
function brokenChains(monitor: MonitorProcess): readonly string[] {
  const states = new Map<unknown, unknown>();
  const broken: string[] = [];
  let count = 0;
  for (const { msg, path, previous_state: from, new_state: to } of monitor.log()) {
    if (msg !== 'mount state changed') continue;
    count += 1;
    const known = states.get(path) ?? 'unknown';
    if (from !== known && from !== 'unknown')
      broken.push(`a transition of ${path} was lost: from ${from} to ${to}, after ${known}`);
    states.set(path, to);
  }
  console.log(`${count} transitions`);
  return broken;
}

/**
 * Compares the second round of all clients with the last complete one: each client makes the monitor use a different
 * amount of memory, and in the first round the heap is still growing to its size. A run too short for three rounds is
 * compared by quarters, during which different clients run.
 */
function growth(samples: readonly Sample[]): readonly string[] {
  const rounds = (samples.at(-1)?.round ?? 0) - 1;
  const isShort = rounds < 2;
  const quarter = Math.floor(samples.length / 4);
  const ofRound = (wanted: number): readonly Sample[] => samples.filter(({ round }) => round === wanted);
  const [early, late] = isShort
    ? [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)]
    : [ofRound(1), ofRound(rounds)];
  const memoryOfPart = (part: readonly Sample[]): number => median(part.map(({ anonymous }) => anonymous));
  const problems: string[] = [];
  const [before, after] = [memoryOfPart(early), memoryOfPart(late)];
  const parts = isShort ? [early, late] : Array.from({ length: rounds + 1 }, (_, round) => ofRound(round));
  console.log(
    `anonymous memory, medians of the ${isShort ? 'second and the last quarter' : 'rounds'}: ${parts.map(memoryOfPart).join(', ')} KiB`,
  );
  // Up to 8 MiB may be held for clients that do not read.
  const limit = isShort ? before * 1.3 + 8 * 1024 : before * 1.1;
  if (after > limit) problems.push(`memory grew from ${before} to ${after} KiB`);
  const mounts = 2 + plainMounts + faultyMounts;
  for (const key of ['processes', 'descriptors'] as const) {
    const valuesOf = (part: readonly Sample[]): readonly number[] => part.map((sample) => sample[key]);
    const [most, mostLate] = [early, late].map((part) => Math.max(...valuesOf(part)));
    const [usual = 0, usualLate = 0] = [early, late].map((part) => median(valuesOf(part)));
    console.log(`${key}: at most ${most} early, ${mostLate} late, medians ${usual} and ${usualLate}`);
    // The number of probes running or hanging at one moment is random, but never more than one per mount.
    const bound = key === 'processes' ? mounts : MAX_CONNECTIONS + MAX_NEWCOMERS + 5 * mounts;
    if ((mostLate ?? 0) > bound) problems.push(`${mostLate} ${key}, at most ${bound} expected`);
    if (!isShort && usualLate > usual + mounts)
      problems.push(`the median of ${key} grew from ${usual} to ${usualLate}`);
  }
  return problems;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

const { values } = parseArgs({
  options: {
    duration: { type: 'string', default: '10m' },
    rate: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
    help: { type: 'boolean' },
  },
});
const durationMs = parseDuration(values.duration);
if (values.help === true || durationMs === undefined || durationMs < 20_000) {
  process.stdout.write(`${help}The duration is at least 20s.\n`);
  process.exitCode = values.help === true ? 0 : 2;
} else {
  console.log(`soak: ${values.duration}, ${values.rate} requests per second, seed ${values.seed}`);
  soak(durationMs, Number(values.rate), Number(values.seed)).then((problems) => {
    for (const problem of problems) console.error(`soak: ${problem}`);
    if (problems.length === 0) console.log('soak: passed');
    // The load generator and mounts may hold handles.
    process.exit(problems.length === 0 ? 0 : 1);
  });
}
