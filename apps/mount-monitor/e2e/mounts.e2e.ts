import { afterAll, beforeAll, describe, expect, inject } from 'vitest';
import { Machine } from '../testing/machine.ts';
import { MonitorProcess, Scratch } from '../testing/monitor-process.ts';
import { detach, hasRclone, RcloneMount } from '../testing/mounts.ts';
import { need } from '../testing/needs.ts';
import { childrenOf, descriptorsOf } from '../testing/proc.ts';
import { expectRhythm, expectWithin, longestGapMs, passesOf } from '../testing/rhythm.ts';

const executable = inject('executable');
const onRclone = need('rclone, fuse3, root and /dev/fuse', hasRclone, 'for a real WebDAV mount');

const intervalMs = 1000;
const readTimeoutMs = 500;

let machine: Machine;

interface Watched {
  readonly fault: string;
  readonly monitor: MonitorProcess;
}

/** Watches a real mount in three ways, and a healthy folder next to it. */
async function watch(fault: string, scratch: Scratch, mount: RcloneMount): Promise<Watched> {
  const mounts = [
    { path: mount.path, name: 'canary' },
    { path: mount.path, name: 'directory', checkType: 'directory', minEntries: 1 },
    { path: mount.path, name: 'mountpoint', checkType: 'mountpoint', fsType: 'fuse.rclone' },
    { path: scratch.mount('good'), name: 'good' },
  ];
  const config = {
    checkInterval: `${intervalMs}ms`,
    readTimeout: `${readTimeoutMs}ms`,
    failureThreshold: 2,
    logLevel: 'debug',
    mounts,
  };
  const monitor = await MonitorProcess.start(executable, scratch, config);
  const watched = { fault, monitor };
  await untilHealthy(watched);
  return watched;
}

interface Failure {
  readonly what: string;
  readonly reason: unknown;
  /** From the fault to the end of the first failed check. */
  readonly afterMs: number;
  /** Whether a check of another entry had hung first, so that this one may have waited: a path's entries take turns. */
  readonly tookTurns: boolean;
}

const HANGS: readonly unknown[] = ['timeout', 'hung'];

/** Waits until a check of this name has failed since a fault, for the given reason if there is one. */
async function untilFailed(
  { fault, monitor }: Watched,
  name: string,
  since: number,
  reason?: string,
): Promise<Failure> {
  const failures = () =>
    monitor
      .log()
      .filter((line) => line.msg === 'health check failed' && Date.parse(String(line.time)) >= since);
  const failed = () =>
    failures().find((line) => line.name === name && (reason === undefined || line.reason === reason));
  await monitor.until(`${name} fails`, () => failed() !== undefined, 30_000);
  const line = failed();
  const afterMs = Date.parse(String(line?.time)) - since;
  console.log(`${fault}: ${name} fails, ${line?.reason}, after ${afterMs} ms`);
  const earlier = failures().slice(
    0,
    failures().findIndex((each) => each.name === name),
  );
  const tookTurns = earlier.some((each) => HANGS.includes(each.reason));
  return { what: `${fault}: ${name}`, reason: line?.reason, afterMs, tookTurns };
}

/**
 * The next check is at most one interval away. A check that hangs takes its whole timeout, and so does one before it on
 * the same path. Two checks may be late: the one in progress when the fault occurred, and the one that detects it.
 */
async function expectDetected({ what, reason, afterMs, tookTurns }: Failure, since: number): Promise<void> {
  const hangs = HANGS.includes(reason) ? (tookTurns ? 2 : 1) : 0;
  const limit = longestGapMs(intervalMs) + hangs * readTimeoutMs;
  expectWithin(`${what}: time to detect`, afterMs, limit, 2 * (await machine.latenessSince(since)));
}

async function untilHealthy({ fault, monitor }: Watched): Promise<void> {
  const start = performance.now();
  const healthy = async () => (await monitor.status()).status === 'healthy';
  await monitor.until('all mounts are healthy', healthy, 40_000);
  console.log(`${fault}: all mounts are healthy after ${Math.round(performance.now() - start)} ms`);
}

/** What must be true no matter what the other mounts do. */
async function expectGoodNeighbor({ fault, monitor }: Watched, since: number): Promise<void> {
  await expectRhythm({ beside: fault, monitor, name: 'good', intervalMs }, machine, since);
  expect((await monitor.mount(3)).status).toBe('healthy');
}

/** SIGTERM must end the monitor no matter what hangs. */
async function expectToEnd({ fault, monitor }: Watched): Promise<void> {
  const start = performance.now();
  monitor.signal('SIGTERM');
  expect(await monitor.exited).toEqual({ code: 0, signal: null });
  console.log(`${fault}: SIGTERM ended it within ${Math.round(performance.now() - start)} ms`);
}

// Each test has its own server, mount and monitor, and waits much more than it computes.
describe.concurrent('a real WebDAV mount', () => {
  beforeAll(async () => {
    machine = await Machine.watch(executable);
  });
  afterAll(() => machine[Symbol.asyncDispose]());

  onRclone('a WebDAV mount times out while its daemon is stopped, and recovers afterwards', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r');
    const watched = await watch('daemon stopped', scratch, mount);
    await using monitor = watched.monitor;
    const before = descriptorsOf(monitor.child.pid ?? 0);
    const stopped = Date.now();
    mount.signalDaemon('SIGSTOP');
    const failure = await untilFailed(watched, 'canary', stopped);
    // The directory's probe may be the one that hangs, which this check then reports.
    expect(['timeout', 'hung']).toContain(failure.reason);
    await expectDetected(failure, stopped);
    await monitor.untilStatus('unhealthy', 0);
    await monitor.untilStatus('unhealthy', 1);
    expect((await monitor.mount(2)).status).toBe('healthy');
    await expectGoodNeighbor(watched, stopped);
    expect(childrenOf(monitor.child.pid ?? 0).length).toBeLessThanOrEqual(4);
    expect(descriptorsOf(monitor.child.pid ?? 0)).toBeLessThanOrEqual(before + 8);
    mount.signalDaemon('SIGCONT');
    await untilHealthy(watched);
    const again = Date.now();
    mount.signalDaemon('SIGSTOP');
    await untilFailed(watched, 'canary', again);
    await expectToEnd(watched);
  });

  onRclone('a WebDAV mount whose server hangs fails as hung, and the monitor can exit', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r');
    const watched = await watch('server hangs', scratch, mount);
    await using monitor = watched.monitor;
    const stopped = Date.now();
    mount.signalServer('SIGSTOP');
    const failure = await untilFailed(watched, 'canary', stopped);
    // The directory's probe may be the one that hangs first, which this check then reports.
    expect(failure.reason).toBe(failure.tookTurns ? 'hung' : 'timeout');
    await monitor.until('the check is hung', async () => (await monitor.mount(0)).reason === 'hung', 30_000);
    expect(await monitor.mount(2)).toMatchObject({ status: 'healthy', probe_hung: false });
    await expectGoodNeighbor(watched, stopped);
    await expectToEnd(watched);
    mount.signalServer('SIGCONT');
  });

  onRclone('a WebDAV mount fails while its server is gone and recovers when it is back', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r', [
      '--low-level-retries',
      '1',
      '--timeout',
      '2s',
      '--contimeout',
      '1s',
    ]);
    const watched = await watch('server gone', scratch, mount);
    await using monitor = watched.monitor;
    const gone = Date.now();
    await mount.stopServer();
    const { reason } = await untilFailed(watched, 'canary', gone);
    expect(['io', 'timeout', 'hung', 'missing']).toContain(reason);
    await monitor.untilStatus('unhealthy', 0);
    await expectGoodNeighbor(watched, gone);
    await mount.restartServer();
    await untilHealthy(watched);
    const again = Date.now();
    await mount.stopServer();
    await untilFailed(watched, 'canary', again);
    await expectToEnd(watched);
  });

  onRclone('a mount without its daemon fails as not_connected and recovers when remounted', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r');
    const watched = await watch('daemon killed', scratch, mount);
    await using _monitor = watched.monitor;
    const killed = Date.now();
    await mount.crashDaemon();
    for (const name of ['canary', 'directory']) {
      const failure = await untilFailed(watched, name, killed, 'not_connected');
      await expectDetected(failure, killed);
    }
    await expectGoodNeighbor(watched, killed);
    const remounted = Date.now();
    await mount.remount();
    await untilHealthy(watched);
    await expectGoodNeighbor(watched, remounted);
    await expectToEnd(watched);
  });

  onRclone('an unmounted mount fails as missing and not_mounted, and recovers when remounted', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r');
    const watched = await watch('lazily unmounted', scratch, mount);
    await using _monitor = watched.monitor;
    const unmounted = Date.now();
    detach(mount.path);
    for (const [name, reason] of [
      ['canary', 'missing'],
      ['directory', 'empty'],
      ['mountpoint', 'not_mounted'],
    ] as const) {
      const failure = await untilFailed(watched, name, unmounted, reason);
      await expectDetected(failure, unmounted);
    }
    await expectGoodNeighbor(watched, unmounted);
    const remounted = Date.now();
    await mount.remount();
    await untilHealthy(watched);
    await expectGoodNeighbor(watched, remounted);
    await expectToEnd(watched);
  });

  onRclone('a WebDAV mount with a full VFS cache serves the canary while its server is gone', async () => {
    using scratch = new Scratch();
    const cache = [
      '--vfs-cache-mode',
      'full',
      '--cache-dir',
      `${scratch.path}/cache`,
      '--dir-cache-time',
      '1h',
    ];
    await using mount = await RcloneMount.mount(scratch, 'r', cache);
    const watched = await watch('server gone, full cache', scratch, mount);
    await using monitor = watched.monitor;
    const gone = Date.now();
    await mount.stopServer();
    // For this reason docs/checks.md says that a cached read proves nothing about the remote.
    const passes = () => passesOf(monitor, 'canary').filter((time) => time >= gone).length;
    await monitor.until('the canary was read five times', () => passes() >= 5);
    await expectGoodNeighbor(watched, gone);
    await expectToEnd(watched);
  });
});
