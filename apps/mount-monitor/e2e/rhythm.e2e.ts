import { describe, inject } from 'vitest';
import { Machine } from '../testing/machine.ts';
import { MonitorProcess, Scratch } from '../testing/monitor-process.ts';
import { canMountFuse, FaultMount } from '../testing/mounts.ts';
import { need } from '../testing/needs.ts';
import { expectRhythm } from '../testing/rhythm.ts';

const executable = inject('executable');
const intervalMs = 1000;

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
      checkInterval: `${intervalMs}ms`,
      readTimeout: '400ms',
      logLevel: 'debug',
      mounts: [...bad, { path: scratch.mount('good'), name: 'good' }],
    });
    await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
    const held = Date.now();
    await mount.fault('hold');
    await monitor.until('all probes hang', async () => (await monitor.status()).hung_probes === bad.length);
    const beside = 'ten mounts hang';
    await expectRhythm({ beside, monitor, name: 'good', intervalMs }, machine, held);
    await mount.fault('none');
  });
});
