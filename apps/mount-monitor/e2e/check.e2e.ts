import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { MonitorProcess, runMonitor, Scratch } from '../testing/monitor-process.ts';
import { canMountFuse, FaultMount } from '../testing/mounts.ts';
import { need } from '../testing/needs.ts';
import { probesOf } from '../testing/proc.ts';

const executable = inject('executable');
const onFuse = need('root and /dev/fuse', canMountFuse, 'to mount the fault filesystem');

/** The IDs of the probes that hang on this mount. */
function hangingOn(path: string): readonly number[] {
  return probesOf(path, (state) => state === 'D');
}

describe('--check', () => {
  it('--check prints a table and exits 0 only if all checks pass', () => {
    using scratch = new Scratch();
    const good = scratch.mount('good');
    const bad = join(scratch.path, 'bad');
    const config = scratch.write(
      'c.json',
      JSON.stringify({ mounts: [{ path: good, name: 'films' }, { path: bad }] }),
    );
    const both = runMonitor(executable, ['--check', '-c', config]);
    expect(both.code).toBe(1);
    const [head, films, missing] = both.stdout.split('\n');
    expect(head).toMatch(/^MOUNT +STATUS +REASON +TIME +TYPE +ERROR$/);
    expect(films).toMatch(/^films +passed +[\d.]+ ms +\w+$/);
    expect(missing).toMatch(/bad +failed +missing +[\d.]+ ms +\w+ +ENOENT/);
    const one = scratch.write('d.json', JSON.stringify({ mounts: [{ path: good }] }));
    expect(runMonitor(executable, ['--check', '-c', one]).code).toBe(0);
  });

  onFuse('--check starts no probe for a mount on which an earlier check’s probe hangs', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'left');
    const config = scratch.write(
      'left.json',
      JSON.stringify({
        readTimeout: '300ms',
        mounts: [{ path: mount.path }, { path: scratch.mount('other') }],
      }),
    );
    const reasons = (): readonly (string | undefined)[] => {
      const { stdout } = runMonitor(executable, ['--check', '--json', '-c', config]);
      return (JSON.parse(stdout) as { mounts: { reason?: string }[] }).mounts.map(({ reason }) => reason);
    };
    await mount.fault('hold');
    expect(reasons()).toEqual(['timeout', undefined]);
    // A killed process is in its wait again only after a processor was free for it.
    await expect.poll(() => hangingOn(mount.path)).toHaveLength(1);
    const left = hangingOn(mount.path);
    for (let time = 0; time < 3; time += 1) expect(reasons()).toEqual(['hung', undefined]);
    const init = runMonitor(executable, ['--init-container-mode', '-c', config]);
    expect(init.code).toBe(1);
    expect(init.stderr).toContain('"reason":"hung"');
    expect(hangingOn(mount.path)).toEqual(left);
    await mount.fault('none');
    await expect.poll(() => hangingOn(mount.path)).toEqual([]);
    expect(reasons()).toEqual([undefined, undefined]);
  });

  onFuse('--check starts no probe for a mount on which one of the monitor’s probes hangs', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'beside');
    const config = { readTimeout: '300ms', checkInterval: '1s', mounts: [{ path: mount.path }] };
    await using monitor = await MonitorProcess.start(executable, scratch, config);
    await monitor.untilStatus('healthy');
    await mount.fault('hold');
    await monitor.until('a probe hangs', async () => (await monitor.status()).hung_probes > 0);
    const left = hangingOn(mount.path);
    expect(left).toHaveLength(1);
    const { code, stdout } = runMonitor(executable, ['--check', '-c', join(scratch.path, 'config.json')]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/beside +failed +hung/);
    expect(hangingOn(mount.path)).toEqual(left);
    await mount.fault('none');
  });

  it('--json is rejected without --check', () => {
    const { code, stderr } = runMonitor(executable, ['--json']);
    expect(code).toBe(2);
    expect(stderr).toContain('--json is only allowed with --check');
  });
});
