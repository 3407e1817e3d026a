import { describe, expect, inject } from 'vitest';
import { MonitorProcess, Scratch } from './testing/monitor-process.ts';
import { canMountFuse, FaultMount } from './testing/mounts.ts';
import { need } from './testing/needs.ts';
import { childrenOf, memoryOf, processorTimeOf } from './testing/proc.ts';

const executable = inject('executable');
const intervalMs = 10_000;

describe('500 mounts of which 50 hang', () => {
  need('root and /dev/fuse', canMountFuse, 'to mount the fault filesystem')(
    'are all checked in time, with bounded processes and memory',
    async () => {
      using scratch = new Scratch();
      await using mount = await FaultMount.mount(scratch, 'f');
      const good = Array.from({ length: 450 }, (_, index) => ({ path: scratch.mount(`good-${index}`) }));
      const bad = Array.from({ length: 50 }, (_, index) => ({ path: `${mount.path}/d${index}` }));
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
        40_000,
      );
      await mount.fault('hold');
      await monitor.until(
        '50 probes hang',
        async () => (await monitor.status()).hung_probes === bad.length,
        30_000,
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
        `500 mounts, 50 hung, every ${intervalMs / 1000} s: longest gap ${Math.max(...gaps)} ms, ` +
          `monitor ${share.toFixed(1)} % of a processor, at most ${mostProcesses} child processes, ` +
          `${resident} KiB resident, ${anonymous} KiB anonymous, slowest answer ${Math.max(...answers).toFixed(0)} ms`,
      );
      const falseAlarms = monitor
        .log()
        .filter(({ msg, path }) => msg === 'health check failed' && goodPaths.has(path));
      if (falseAlarms.length > 0) console.log('failed checks of healthy mounts', falseAlarms);
      expect(falseAlarms).toEqual([]);
      expect(gaps).toHaveLength(good.length);
      // Less than two of the shortest intervals: no tick was missed. How much less is the machine's affair.
      expect(Math.max(...gaps)).toBeLessThan(1.8 * intervalMs);
      expect(mostProcesses).toBeLessThanOrEqual(bad.length + 60);
      expect((await monitor.get('/healthz/self')).status).toBe(200);
      const failed = (await monitor.status()).mounts.filter(({ status }) => status !== 'healthy');
      expect(failed).toHaveLength(bad.length);
      await mount.fault('none');
      await monitor.until('no probe hangs', async () => (await monitor.status()).hung_probes === 0);
    },
    150_000,
  );
});

/** The longest time between two checks of each mount. */
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
