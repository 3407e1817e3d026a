import { describe, expect, inject } from 'vitest';
import { MonitorProcess, Scratch } from './testing/monitor-process.ts';
import { detach, hasRclone, RcloneMount } from './testing/mounts.ts';
import { need } from './testing/needs.ts';
import { childrenOf, descriptorsOf } from './testing/proc.ts';

const executable = inject('executable');
const onRclone = need('rclone, fuse3, root and /dev/fuse', hasRclone, 'for a real WebDAV mount');

interface Watched {
  readonly monitor: MonitorProcess;
  readonly mount: RcloneMount;
  readonly good: string;
}

/** Watches a real mount in three ways, and a healthy folder beside it. */
async function watch(scratch: Scratch, mount: RcloneMount): Promise<Watched> {
  const good = scratch.mount('good');
  const mounts = [
    { path: mount.path, name: 'canary' },
    { path: mount.path, name: 'directory', checkType: 'directory', minEntries: 1 },
    { path: mount.path, name: 'mountpoint', checkType: 'mountpoint', fsType: 'fuse.rclone' },
    { path: good, name: 'good' },
  ];
  const config = {
    checkInterval: '1s',
    readTimeout: '500ms',
    failureThreshold: 2,
    logLevel: 'debug',
    mounts,
  };
  const monitor = await MonitorProcess.start(executable, scratch, config);
  await monitor.until('all mounts are healthy', async () => (await monitor.status()).status === 'healthy');
  return { monitor, mount, good };
}

/** Waits until the named check has failed, and returns its reasons so far and the time until the first. */
async function untilFailed(monitor: MonitorProcess, index: number, since: number): Promise<string> {
  await monitor.until(
    `mount ${index} fails`,
    async () => (await monitor.mount(index)).failure_count > 0,
    30_000,
  );
  const took = Math.round(performance.now() - since);
  const { name, reason } = await monitor.mount(index);
  console.log(`${name}: ${reason} after ${took} ms`);
  return reason ?? '';
}

/** What must hold whatever the other mounts do. */
async function expectGoodNeighbour({ monitor, good }: Watched): Promise<void> {
  const answers = [];
  for (let count = 0; count < 20; count += 1) answers.push((await monitor.get('/healthz/live')).milliseconds);
  await monitor.until('the healthy mount was checked six times', () => passes(monitor, good).length >= 6);
  const times = passes(monitor, good);
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  console.log(
    `neighbour: longest gap ${Math.max(...gaps)} ms; slowest of 20 answers ${Math.max(...answers).toFixed(1)} ms`,
  );
  expect((await monitor.mount(3)).status).toBe('healthy');
  // An interval of 1 s, 10 % and 200 ms; the second more is for a loaded test machine.
  expect(Math.max(...gaps)).toBeLessThan(2300);
  expect(Math.max(...answers)).toBeLessThan(2000);
}

function passes(monitor: MonitorProcess, path: string): readonly number[] {
  return monitor
    .log()
    .filter((line) => line.msg === 'health check passed' && line.path === path)
    .map(({ time }) => Date.parse(String(time)));
}

/** SIGTERM must end the monitor whatever hangs. */
async function expectToEnd({ monitor }: Watched): Promise<void> {
  const start = performance.now();
  monitor.signal('SIGTERM');
  expect(await monitor.exited).toEqual({ code: 0, signal: null });
  console.log(`SIGTERM ended it within ${Math.round(performance.now() - start)} ms`);
}

describe('a real WebDAV mount', () => {
  onRclone('whose daemon is stopped times out, and heals when it goes on', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r');
    const watched = await watch(scratch, mount);
    await using monitor = watched.monitor;
    const before = descriptorsOf(monitor.child.pid ?? 0);
    mount.signalDaemon('SIGSTOP');
    expect(['timeout', 'hung']).toContain(await untilFailed(monitor, 0, performance.now()));
    await monitor.untilStatus('unhealthy', 0);
    await monitor.untilStatus('unhealthy', 1);
    expect((await monitor.mount(2)).status).toBe('healthy');
    await expectGoodNeighbour(watched);
    expect(childrenOf(monitor.child.pid ?? 0).length).toBeLessThanOrEqual(4);
    expect(descriptorsOf(monitor.child.pid ?? 0)).toBeLessThanOrEqual(before + 8);
    mount.signalDaemon('SIGCONT');
    await monitor.until('all mounts are healthy', async () => (await monitor.status()).status === 'healthy');
    await expectToEnd(watched);
  });

  onRclone('whose server hangs is hung, and lets the monitor end', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r');
    const watched = await watch(scratch, mount);
    await using monitor = watched.monitor;
    mount.signalServer('SIGSTOP');
    expect(['timeout', 'hung']).toContain(await untilFailed(monitor, 0, performance.now()));
    await monitor.until('the check is hung', async () => (await monitor.mount(0)).reason === 'hung', 30_000);
    expect(await monitor.mount(2)).toMatchObject({ status: 'healthy', probe_hung: false });
    await expectGoodNeighbour(watched);
    await expectToEnd(watched);
    mount.signalServer('SIGCONT');
  });

  onRclone('whose server is gone fails, and heals when it comes back', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r', [
      '--low-level-retries',
      '1',
      '--timeout',
      '2s',
      '--contimeout',
      '1s',
    ]);
    const watched = await watch(scratch, mount);
    await using monitor = watched.monitor;
    await mount.stopServer();
    expect(['io', 'timeout', 'hung', 'missing']).toContain(await untilFailed(monitor, 0, performance.now()));
    await monitor.untilStatus('unhealthy', 0);
    await expectGoodNeighbour(watched);
    await mount.restartServer();
    await monitor.until(
      'all mounts are healthy',
      async () => (await monitor.status()).status === 'healthy',
      40_000,
    );
  });

  onRclone('whose daemon was killed is not_connected, and heals when mounted anew', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r');
    const watched = await watch(scratch, mount);
    await using monitor = watched.monitor;
    await mount.crashDaemon();
    expect(await untilFailed(monitor, 0, performance.now())).toBe('not_connected');
    expect(await untilFailed(monitor, 1, performance.now())).toBe('not_connected');
    await expectGoodNeighbour(watched);
    await mount.remount();
    await monitor.until('all mounts are healthy', async () => (await monitor.status()).status === 'healthy');
    await expectToEnd(watched);
  });

  onRclone('that was lazily unmounted is missing and not_mounted, and heals when mounted anew', async () => {
    using scratch = new Scratch();
    await using mount = await RcloneMount.mount(scratch, 'r');
    const watched = await watch(scratch, mount);
    await using monitor = watched.monitor;
    detach(mount.path);
    expect(await untilFailed(monitor, 0, performance.now())).toBe('missing');
    expect(await untilFailed(monitor, 1, performance.now())).toBe('empty');
    expect(await untilFailed(monitor, 2, performance.now())).toBe('not_mounted');
    await mount.remount();
    await monitor.until('all mounts are healthy', async () => (await monitor.status()).status === 'healthy');
  });

  onRclone('with a full VFS cache serves the canary while its server is gone', async () => {
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
    const watched = await watch(scratch, mount);
    await using monitor = watched.monitor;
    await mount.stopServer();
    const checked = (await monitor.mount(0)).history?.length ?? 0;
    await monitor.until(
      'it was checked five more times',
      async () => ((await monitor.mount(0)).history?.length ?? 0) >= checked + 5,
    );
    // This is why docs/checks.md says that a cached read proves nothing about the remote.
    expect((await monitor.mount(0)).status).toBe('healthy');
  });
});
