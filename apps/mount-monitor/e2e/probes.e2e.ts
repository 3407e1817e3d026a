import { spawnSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { describe, expect, inject, it } from 'vitest';
import { MonitorProcess, Scratch } from '../testing/monitor-process.ts';
import { canMountFuse, FaultMount } from '../testing/mounts.ts';
import { need } from '../testing/needs.ts';
import {
  childrenOf,
  descriptorsOf,
  familyProcessorTimeOf,
  memoryOf,
  probesOf,
  stateOf,
} from '../testing/proc.ts';

const executable = inject('executable');
const timing = { checkInterval: '1s', readTimeout: '400ms' };
const onFuse = need('root and /dev/fuse', canMountFuse, 'to mount the fault filesystem');

function pidOf(monitor: MonitorProcess): number {
  return monitor.child.pid ?? 0;
}

/** The probes between checks. On a busy machine, a late check starts another one for a moment. */
async function keptBy(monitor: MonitorProcess): Promise<readonly number[]> {
  let probes = childrenOf(pidOf(monitor));
  await monitor.until('at most two probes are kept', () => {
    probes = childrenOf(pidOf(monitor));
    return probes.length <= 2;
  });
  return probes;
}

async function checksOf(monitor: MonitorProcess, result: string): Promise<number> {
  const { body } = await monitor.get('/metrics');
  const pattern = new RegExp(
    `^mount_monitor_checks_total\\{.*result="${result}",reason="[^"]*"\\} (\\d+)$`,
    'gm',
  );
  return [...body.matchAll(pattern)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** The descriptors that a probe has between checks, since each check opens some for a moment. */
async function leastDescriptorsOf(pid: number): Promise<number> {
  let least = descriptorsOf(pid);
  for (let samples = 0; samples < 30; samples += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    least = Math.min(least, descriptorsOf(pid));
  }
  return least;
}

describe('idle probes', () => {
  it.concurrent('idle probes check healthy mounts sequentially, in at most two processes, and keep nothing open', async () => {
    using scratch = new Scratch();
    const mounts = [
      ...Array.from({ length: 10 }, (_, index) => ({ path: scratch.mount(`m${index}`) })),
      { path: scratch.mount('d'), checkType: 'directory', minEntries: 1 },
      { path: scratch.mount('w'), writable: true },
      { path: '/proc', checkType: 'mountpoint' },
      { path: '/nowhere' },
      { path: scratch.mount('c'), canaryContent: 'other' },
    ];
    await using monitor = await MonitorProcess.start(executable, scratch, { ...timing, mounts });
    await monitor.until('there were some checks', async () => (await checksOf(monitor, 'passed')) >= 30);
    const before = await keptBy(monitor);
    expect(before.length).toBeGreaterThan(0);
    const descriptors = await Promise.all(before.map(leastDescriptorsOf));
    const processorBefore = familyProcessorTimeOf(pidOf(monitor));
    const passedBefore = await checksOf(monitor, 'passed');
    await monitor.until('there were many more', async () => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return (await checksOf(monitor, 'passed')) >= passedBefore + 130;
    });
    const after = await keptBy(monitor);
    for (const pid of after) expect(await leastDescriptorsOf(pid)).toBe(descriptors[0]);
    const used = familyProcessorTimeOf(pidOf(monitor)) - processorBefore;
    const checks = (await checksOf(monitor, 'passed')) - passedBefore;
    console.log(
      `a check: ${(used / checks).toFixed(2)} ms of processor time, including requests to the endpoints; ` +
        `probes use ${after.map((pid) => memoryOf(pid).anonymous).join(' and ')} KiB`,
    );
    // One process per check takes 7 ms or more. On a busy machine, late checks start a few, which count too.
    expect(used / checks).toBeLessThan(4);
  });

  it.concurrent('idle probes can be killed without harm, because the next check gets another one', async () => {
    using scratch = new Scratch();
    const mounts = [{ path: scratch.mount('m'), failureThreshold: 1 }];
    await using monitor = await MonitorProcess.start(executable, scratch, { ...timing, mounts });
    await monitor.untilStatus('healthy');
    for (let round = 0; round < 3; round += 1) {
      // Right after a check, so that none is in progress: that one would be inconclusive and be logged.
      const checked = await checksOf(monitor, 'passed');
      await monitor.until('a check has ended', async () => (await checksOf(monitor, 'passed')) > checked);
      const killed = childrenOf(pidOf(monitor));
      for (const pid of killed) process.kill(pid, 'SIGKILL');
      const passed = await checksOf(monitor, 'passed');
      await monitor.until('checks pass again', async () => (await checksOf(monitor, 'passed')) >= passed + 2);
    }
    expect(await monitor.mount()).toMatchObject({ status: 'healthy', failure_count: 0 });
    expect(monitor.stderr).toBe('');
  });

  it.concurrent('idle probes exit with the monitor, no matter how it ends', async () => {
    using scratch = new Scratch();
    const mounts = [{ path: scratch.mount('m') }];
    const monitor = await MonitorProcess.start(executable, scratch, { ...timing, mounts });
    await monitor.untilStatus('healthy');
    const [probe = 0] = childrenOf(pidOf(monitor));
    monitor.signal('SIGKILL');
    await monitor.exited;
    await expect.poll(() => isAlive(probe), { timeout: 5000 }).toBe(false);
  });

  onFuse('probes never share a mount, and it can be unmounted between checks', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const mounts = [
      { path: mount.path, name: 'canary' },
      { path: mount.path, name: 'directory', checkType: 'directory', minEntries: 1 },
    ];
    await using monitor = await MonitorProcess.start(executable, scratch, { ...timing, mounts });
    await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
    await mount.fault('hold');
    await monitor.until('a probe hangs', async () => (await monitor.status()).hung_probes > 0);
    const hanging = childrenOf(pidOf(monitor)).filter((pid) => stateOf(pid) === 'D');
    expect(hanging).toHaveLength(1);
    await mount.fault('none');
    await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
    // This is not a lazy unmount, so it fails while anything is open; a check may be in progress once or twice.
    await monitor.until('it can be unmounted', () => spawnSync('umount', [mount.path]).status === 0, 3000);
  });

  onFuse('a slow path with several entries fails only as timeout, never as hung', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const mounts = ['a', 'b', 'c'].map((name) => ({ path: mount.path, name }));
    await using monitor = await MonitorProcess.start(executable, scratch, { ...timing, mounts });
    await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
    // Nobody has accepted the requests, so each killed probe exits a moment later.
    mount.signal('SIGSTOP');
    await monitor.until(
      'there were many failures',
      async () => (await checksOf(monitor, 'failed')) >= 12,
      40_000,
    );
    const reasons = monitor
      .log()
      .flatMap(({ msg, reason }) => (msg === 'health check failed' ? [reason] : []));
    expect(new Set(reasons)).toEqual(new Set(['timeout']));
    mount.signal('SIGCONT');
    await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
  });

  onFuse('hanging probes that use up the descriptors make checks inconclusive, no worse', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    // A hanging probe keeps a descriptor, and clients may have 8, so this many hung mounts need more than there are.
    const mounts = Array.from({ length: 40 }, (_, index) => ({ path: `${mount.path}/d${index}` }));
    const wrapper = ['/bin/sh', '-c', 'ulimit -n 40; exec "$@"', 'sh'];
    await using monitor = await MonitorProcess.start(executable, scratch, { ...timing, mounts }, { wrapper });
    await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
    const sockets = await Promise.all(Array.from({ length: 60 }, () => open(monitor.port)));
    await mount.fault('hold');
    await monitor.until('checks are inconclusive', () =>
      monitor.stderr.includes('"msg":"health check inconclusive"'),
    );
    expect(monitor.stderr).toContain('EMFILE');
    for (const socket of sockets) socket.destroy();
    await mount.fault('none');
    await monitor.until('all are healthy again', async () => (await monitor.status()).status === 'healthy');
  });

  describe.each([
    // As it exits, it kills the probe, which the kernel holds.
    ['ended', 'SIGTERM'],
    // Nobody kills the probe, which keeps waiting for the mount.
    ['was killed', 'SIGKILL'],
  ] as const)('hanging probes whose monitor %s', (_, signal) => {
    onFuse('a mount gets no new probe while a leftover one hangs, which is counted and logged', async () => {
      using scratch = new Scratch();
      await using mount = await FaultMount.mount(scratch, 'f');
      const mounts = [{ path: mount.path }, { path: scratch.mount('good') }];
      const config = { ...timing, failureThreshold: 1, mounts };
      await mount.fault('hold');
      const patient = { ...config, checkInterval: '60s', readTimeout: '50s' };
      const first = await MonitorProcess.start(executable, scratch, patient);
      await mount.untilHeld();
      const left = probesAt(mount.path);
      expect(left).toHaveLength(1);
      first.signal(signal);
      await first.exited;

      await using second = await MonitorProcess.start(executable, scratch, config);
      await second.until('several checks have run', async () => (await checksOf(second, 'failed')) >= 3);
      expect(probesAt(mount.path)).toEqual(left);
      expect(childrenOf(pidOf(second)).filter((pid) => stateOf(pid) === 'D')).toEqual([]);
      expect(await second.mount(0)).toMatchObject({
        status: 'unhealthy',
        reason: 'hung',
        probe_hung: true,
        last_error: expect.stringContaining('the probe of an earlier run still hangs in the kernel'),
      });
      expect(await second.mount(1)).toMatchObject({ status: 'healthy', probe_hung: false });
      const line = second.log().find(({ msg }) => msg.startsWith('probes of an earlier run'));
      expect(line).toMatchObject({ level: 'warn', pids: expect.arrayContaining([...left]) });
      expect((await second.status()).predecessor_probes).toBe(line?.count);
      await second.untilMetrics(/^mount_monitor_predecessor_probes_hung [1-9]/m);

      await mount.fault('none');
      await second.untilStatus('healthy', 0);
      expect(await second.mount(0)).toMatchObject({ probe_hung: false });
      expect(probesAt(mount.path)).not.toContain(left[0]);
    });
  });
});

function probesAt(path: string): readonly number[] {
  return probesOf(path, (state) => state !== 'Z');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function open(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  return new Promise((resolve) => socket.once('connect', () => resolve(socket)));
}
