import { execFileSync } from 'node:child_process';
import { describe, expect, inject } from 'vitest';
import { Machine } from '../testing/machine.ts';
import { MonitorProcess, Scratch } from '../testing/monitor-process.ts';
import { canMountFuse, FaultMount } from '../testing/mounts.ts';
import { need } from '../testing/needs.ts';
import { childrenOf, memoryOf, processorTimeOf } from '../testing/proc.ts';
import { expectRhythm } from '../testing/rhythm.ts';

const executable = inject('executable');
/** How often the few mounts are checked, in ms. */
const rhythmMs = 1000;
const count = { good: 450, bad: 50 };
/** The shortest interval at which the many are checked, in ms. */
const shortestMs = 6_000;
/** The fraction of its time that the machine may be busy with checks, so that it is not the reason for missed ones. */
const busy = 0.5;

/** An interval, in ms, at which this machine can check all mounts, determined by checking a hundred of them once. */
function intervalFor(scratch: Scratch, paths: readonly string[]): number {
  const mounts = paths.slice(0, 100).map((path) => ({ path }));
  const config = scratch.write('calibration.json', JSON.stringify({ mounts }));
  const start = performance.now();
  execFileSync(executable, ['--init-container-mode', '--config', config], { stdio: 'ignore' });
  const oneMs = (performance.now() - start) / mounts.length;
  return Math.max(shortestMs, Math.ceil((oneMs * (count.good + count.bad)) / busy));
}

describe('ten mounts that accept requests and never answer', () => {
  need(
    'root and /dev/fuse',
    canMountFuse,
    'to mount the fault filesystem',
  )('ten hanging mounts delay neither the checks of a healthy mount nor the endpoints', async () => {
    using scratch = new Scratch();
    await using machine = await Machine.watch(executable);
    await using mount = await FaultMount.mount(scratch, 'f');
    const bad = Array.from({ length: 10 }, (_, index) => ({ path: `${mount.path}/d${index}` }));
    await using monitor = await MonitorProcess.start(executable, scratch, {
      checkInterval: `${rhythmMs}ms`,
      readTimeout: '400ms',
      logLevel: 'debug',
      mounts: [...bad, { path: scratch.mount('good'), name: 'good' }],
    });
    await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
    const held = Date.now();
    await mount.fault('hold');
    await monitor.until('all probes hang', async () => (await monitor.status()).hung_probes === bad.length);
    const beside = 'ten mounts hang';
    await expectRhythm({ beside, monitor, name: 'good', intervalMs: rhythmMs }, machine, held);
    await mount.fault('none');
  });
});

describe('500 mounts, 50 of them hanging', () => {
  need('root and /dev/fuse', canMountFuse, 'to mount the fault filesystem')(
    '500 mounts, 50 of them hanging, are checked in time with bounded processes and memory',
    async () => {
      using scratch = new Scratch();
      await using mount = await FaultMount.mount(scratch, 'f');
      const good = Array.from({ length: count.good }, (_, index) => ({
        path: scratch.mount(`good-${index}`),
      }));
      const bad = Array.from({ length: count.bad }, (_, index) => ({ path: `${mount.path}/d${index}` }));
      const intervalMs = intervalFor(
        scratch,
        good.map(({ path }) => path),
      );
      const config = {
        checkInterval: `${intervalMs}ms`,
        readTimeout: '5s',
        logLevel: 'debug',
        mounts: [...good, ...bad],
      };
      await using monitor = await MonitorProcess.start(executable, scratch, config);
      const pid = monitor.child.pid ?? 0;
      await monitor.until(
        'all are healthy',
        async () => (await monitor.status()).status === 'healthy',
        4 * intervalMs,
      );
      await mount.fault('hold');
      await monitor.until(
        '50 probes hang',
        async () => (await monitor.status()).hung_probes === bad.length,
        3 * intervalMs,
      );
      const start = { at: performance.now(), processor: processorTimeOf(pid) };
      let mostProcesses = 0;
      const answers: number[] = [];
      while (performance.now() - start.at < 2.2 * intervalMs) {
        mostProcesses = Math.max(mostProcesses, childrenOf(pid).length);
        answers.push((await monitor.get('/healthz/live')).milliseconds);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const share = ((processorTimeOf(pid) - start.processor) / (performance.now() - start.at)) * 100;
      const goodPaths = new Set<unknown>(good.map(({ path }) => path));
      const gaps = longestGaps(monitor, goodPaths);
      const { resident, anonymous } = memoryOf(pid);
      console.log(
        `500 mounts, 50 hung, every ${(intervalMs / 1000).toFixed(1)} s: longest gap ${Math.max(...gaps)} ms, ` +
          `monitor ${share.toFixed(1)} % of a processor, at most ${mostProcesses} child processes, ` +
          `${resident} KiB resident, ${anonymous} KiB anonymous, slowest answer ${Math.max(...answers).toFixed(0)} ms`,
      );
      const falseAlarms = monitor
        .log()
        .filter(({ msg, path }) => msg === 'health check failed' && goodPaths.has(path));
      if (falseAlarms.length > 0) console.log('failed checks of healthy mounts', falseAlarms);
      expect(falseAlarms).toEqual([]);
      expect(gaps).toHaveLength(good.length);
      // Less than two of the shortest intervals means that no tick was missed. How much less depends on the machine.
      expect(Math.max(...gaps)).toBeLessThan(1.8 * intervalMs);
      expect(mostProcesses).toBeLessThanOrEqual(bad.length + 60);
      expect((await monitor.get('/healthz/self')).status).toBe(200);
      const failed = (await monitor.status()).mounts.filter(({ status }) => status !== 'healthy');
      expect(failed).toHaveLength(bad.length);
      await mount.fault('none');
      await monitor.until('no probe hangs', async () => (await monitor.status()).hung_probes === 0);
    },
    600_000,
  );
});

/** The longest time between two consecutive checks of each mount. */
function longestGaps(monitor: MonitorProcess, paths: ReadonlySet<unknown>): readonly number[] {
  const times = new Map<unknown, number[]>();
  for (const { msg, path, time } of monitor.log()) {
    if (!msg.startsWith('health check ') || !paths.has(path)) continue;
    const list = times.get(path) ?? [];
    list.push(Date.parse(String(time)));
    times.set(path, list);
  }
  return [...times.values()].map((list) =>
    Math.max(...list.slice(1).map((time, index) => time - (list[index] ?? 0))),
  );
}
