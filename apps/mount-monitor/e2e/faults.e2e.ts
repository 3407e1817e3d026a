import { spawnSync } from 'node:child_process';
import { renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@prebuilt/testing/free-port';
import { describe, expect, inject } from 'vitest';
import { MonitorProcess, runMonitor, Scratch, type StartOptions } from '../testing/monitor-process.ts';
import { canMountFuse, FaultMount } from '../testing/mounts.ts';
import { need } from '../testing/needs.ts';
import { childrenOf, descriptorsOf, memoryOf, stateOf } from '../testing/proc.ts';

const executable = inject('executable');
const timing = { checkInterval: '1s', readTimeout: '400ms' };
const onFuse = need('root and /dev/fuse', canMountFuse, 'to mount the fault filesystem');

function start(scratch: Scratch, config: Readonly<Record<string, unknown>>, options?: StartOptions) {
  return MonitorProcess.start(executable, scratch, { ...timing, ...config }, options);
}

function pidOf(monitor: MonitorProcess): number {
  return monitor.child.pid ?? 0;
}

/** Waits until the mount fails for this reason. */
async function untilReason(monitor: MonitorProcess, reason: string, index = 0): Promise<void> {
  await monitor.until(`the reason is ${reason}`, async () => (await monitor.mount(index)).reason === reason);
}

/** Waits until a check has failed for this reason, even if another one has followed since. */
async function untilFailed(monitor: MonitorProcess, reason: string): Promise<void> {
  await monitor.until(`a check fails as ${reason}`, () =>
    monitor.log().some((line) => line.msg === 'health check failed' && line.reason === reason),
  );
}

async function untilHungProbe(monitor: MonitorProcess): Promise<void> {
  await monitor.until('a probe hangs', async () => (await monitor.status()).hung_probes > 0);
}

describe.concurrent('mount faults', () => {
  onFuse('reports errors with their reasons, and recovery', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const mounts = [
      { path: mount.path },
      { path: `${mount.path}/d1`, checkType: 'directory', minEntries: 1 },
      { path: mount.path, name: 'table', checkType: 'mountpoint', fsType: 'fuse.fault' },
    ];
    await using monitor = await start(scratch, { mounts });
    for (const index of [0, 1, 2]) await monitor.untilStatus('healthy', index);
    for (const [fault, reason, text] of [
      ['error EIO', 'io', 'EIO: '],
      ['error ESTALE', 'stale', 'ESTALE: stale file handle'],
      ['error EACCES', 'permission', 'EACCES: permission denied'],
    ] as const) {
      await mount.fault(fault);
      await untilReason(monitor, reason, 0);
      await untilReason(monitor, reason, 1);
      expect((await monitor.mount(0)).last_error).toContain(text);
      expect((await monitor.mount(2)).status).toBe('healthy');
    }
    await mount.fault('none');
    for (const index of [0, 1]) await monitor.untilStatus('healthy', index);
    await mount.crash();
    await untilReason(monitor, 'not_connected', 0);
    await untilReason(monitor, 'not_connected', 1);
  });

  onFuse('fails as timeout on endless interruptions, leaves no process and delays no mount', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const mounts = [
      { path: mount.path },
      { path: `${mount.path}/d1`, checkType: 'directory', minEntries: 1 },
      { path: scratch.mount('good') },
    ];
    await using monitor = await start(scratch, { mounts });
    for (const index of [0, 1, 2]) await monitor.untilStatus('healthy', index);
    await mount.fault('error EINTR');
    // The runtime retries for as long as it is interrupted.
    for (const index of [0, 1]) await monitor.untilStatus('unhealthy', index);
    expect(await monitor.status()).toMatchObject({
      hung_probes: 0,
      mounts: [{ reason: 'timeout' }, { reason: 'timeout' }, { status: 'healthy', failure_count: 0 }],
    });
    await mount.fault('none');
    for (const index of [0, 1]) await monitor.untilStatus('healthy', index);
    expect(monitor.stderr).not.toContain('"reason":"hung"');
    await monitor.until('no extra probe is left', () => childrenOf(pidOf(monitor)).length <= 2);
  });

  onFuse('a short read passes without canaryContent and fails as content with it', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const mounts = [{ path: mount.path, canaryContent: 'ok' }, { path: `${mount.path}/d1` }];
    await using monitor = await start(scratch, { mounts });
    await monitor.untilStatus('healthy', 0);
    await mount.fault('short');
    await untilReason(monitor, 'content');
    await monitor.untilStatus('healthy', 1);
  });

  onFuse('a delay below readTimeout passes, and one above it fails as timeout', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    await using monitor = await start(scratch, {
      checkInterval: '3s',
      readTimeout: '2s',
      mounts: [{ path: mount.path }],
    });
    await mount.fault('delay 100');
    await monitor.until(
      'a slow check has passed',
      async () => ((await monitor.mount()).last_duration_ms ?? 0) >= 100,
    );
    expect((await monitor.mount()).status).toBe('healthy');
    await mount.fault('delay 4000');
    await untilFailed(monitor, 'timeout');
  });
});

describe.concurrent('a mount that accepts requests and never answers', () => {
  onFuse('a mount that never answers is alive, but not ready, until its first check ends', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    await mount.fault('hold');
    const config = { checkInterval: '60s', readTimeout: '50s', mounts: [{ path: mount.path }] };
    await using monitor = await start(scratch, config);
    const codes = ['live', 'ready', 'status', 'self'].map(
      async (name) => (await monitor.get(`/healthz/${name}`)).status,
    );
    expect(await Promise.all(codes)).toEqual([200, 503, 503, 200]);
    const body = JSON.parse((await monitor.get('/healthz/ready')).body) as unknown;
    expect(body).toMatchObject({
      status: 'unhealthy',
      mounts: [{ path: mount.path, status: 'unknown', failure_count: 0 }],
    });
    expect(await monitor.mount()).not.toHaveProperty('last_check');
    await mount.fault('none');
    await monitor.untilStatus('healthy');
  });

  onFuse('fails as timeout, then as hung without further processes, and recovers', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    await using monitor = await start(scratch, {
      mounts: [
        { path: mount.path, name: 'bad' },
        { path: scratch.mount('good'), name: 'good' },
      ],
    });
    await monitor.untilStatus('healthy', 0);
    await mount.fault('hold');
    await untilFailed(monitor, 'timeout');
    await untilReason(monitor, 'hung');
    const status = await monitor.status();
    expect(status).toMatchObject({
      hung_probes: 1,
      mounts: [{ probe_hung: true }, { probe_hung: false, status: 'healthy' }],
    });
    const metrics = (await monitor.get('/metrics')).body;
    expect(metrics).toMatch(/mount_monitor_probe_hung\{name="bad",[^}]*\} 1\n/);
    expect(metrics).toMatch(/mount_monitor_checks_total\{name="bad",[^}]*reason="hung"\} [1-9]/);
    // The hanging probe, plus at most one for the healthy mount.
    const stuck = childrenOf(pidOf(monitor)).filter((pid) => stateOf(pid) === 'D');
    expect(stuck).toHaveLength(1);
    await mount.fault('none');
    await monitor.untilStatus('healthy', 0);
    expect((await monitor.status()).hung_probes).toBe(0);
  });

  onFuse('a hung mount takes no more processes or file descriptors after a hundred hung checks', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const mounts = Array.from({ length: 20 }, (_, index) => ({
      path: `${mount.path}/d${index}`,
      failureThreshold: 1,
    }));
    await using monitor = await start(scratch, { logLevel: 'error', mounts });
    await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
    await mount.fault('hold');
    await monitor.until(
      'all probes hang',
      async () => (await monitor.status()).hung_probes === mounts.length,
    );
    const hungChecks = async (): Promise<number> => {
      const { body } = await monitor.get('/metrics');
      return [...body.matchAll(/reason="hung"\} (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const before = {
      processes: childrenOf(pidOf(monitor)).length,
      descriptors: descriptorsOf(pidOf(monitor)),
      checks: await hungChecks(),
    };
    await monitor.until(
      'a hundred more checks were hung',
      async () => (await hungChecks()) >= before.checks + 100,
      40_000,
    );
    expect(childrenOf(pidOf(monitor)).length).toBe(before.processes);
    expect(before.processes).toBe(mounts.length);
    expect(descriptorsOf(pidOf(monitor))).toBeLessThanOrEqual(before.descriptors + 2);
    const [probe = 0] = childrenOf(pidOf(monitor));
    const { resident, anonymous } = memoryOf(pidOf(monitor));
    console.log(
      `hung mounts: ${mounts.length}; monitor ${resident} KiB resident, ${anonymous} KiB anonymous; a hung probe ${memoryOf(probe).anonymous} KiB anonymous`,
    );
    await mount.fault('none');
    await monitor.until('all are healthy again', async () => (await monitor.status()).status === 'healthy');
    expect((await monitor.status()).hung_probes).toBe(0);
  });

  onFuse('a hung mount does not prevent SIGTERM from ending the monitor', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    await using monitor = await start(scratch, { mounts: [{ path: mount.path }] });
    await monitor.untilStatus('healthy');
    await mount.fault('hold');
    await untilHungProbe(monitor);
    const [probe = 0] = childrenOf(pidOf(monitor));
    monitor.signal('SIGTERM');
    expect(await monitor.exited).toEqual({ code: 0, signal: null });
    expect(stateOf(probe)).toBe('D');
  });

  onFuse('the kernel delays the exit of a monitor that is PID 1 until its probe has exited', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const wrapper = ['/usr/bin/env', 'PATH=/usr/bin:/bin', 'unshare', '--pid', '--fork', '--mount-proc'];
    await using monitor = await start(scratch, { mounts: [{ path: mount.path }] }, { wrapper });
    await monitor.untilStatus('healthy');
    await mount.fault('hold');
    await untilHungProbe(monitor);
    const [first = 0] = childrenOf(pidOf(monitor));
    spawnSync('kill', ['-TERM', String(first)]);
    await monitor.until('the monitor has shut down', () => monitor.stdout.includes('shutdown complete'));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(monitor.child.exitCode).toBeNull();
    await mount.fault('none');
    expect((await monitor.exited).code).toBe(0);
  });

  onFuse('a mount that never answers fails init container mode in time', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    await mount.fault('hold');
    const path = scratch.write('c.json', JSON.stringify({ ...timing, mounts: [{ path: mount.path }] }));
    const { code, stderr } = runMonitor(executable, ['--init-container-mode', '-c', path]);
    expect(code).toBe(1);
    expect(JSON.parse(stderr.split('\n')[0] ?? '')).toMatchObject({ reason: 'timeout', path: mount.path });
    await mount.fault('none');
  });

  onFuse('a hung mount is not probed again after a reload that changes its check', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const port = await freePort();
    await using monitor = await start(scratch, { httpPort: port, mounts: [{ path: mount.path }] });
    await monitor.untilStatus('healthy');
    await mount.fault('hold');
    await untilHungProbe(monitor);
    scratch.write(
      'config.json',
      JSON.stringify({ ...timing, httpPort: port, mounts: [{ path: mount.path, checkType: 'directory' }] }),
    );
    monitor.signal('SIGHUP');
    await monitor.until('the file is reloaded', () => monitor.stdout.includes('configuration reloaded'));
    await untilReason(monitor, 'hung');
    expect(childrenOf(pidOf(monitor))).toHaveLength(1);
    await mount.fault('none');
    await monitor.untilStatus('healthy');
  });

  onFuse('fails start and reload with a message if the configuration is on a hung mount', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const held = join(mount.path, '.health-check');
    const link = join(scratch.path, 'linked.json');
    const pointTo = (target: string): void => {
      symlinkSync(target, `${link}.new`);
      renameSync(`${link}.new`, link);
    };
    const validate = () => runMonitor(executable, ['--validate', '--config', held]);
    // While the mount answers, the file is read: it is not JSON.
    expect(validate().stderr).toContain(`${held}: expected one JSON object`);
    const port = await freePort();
    const file = { ...timing, httpPort: port, mounts: [{ path: scratch.mount('good') }] };
    pointTo(scratch.write('local.json', JSON.stringify(file)));
    await using monitor = await start(scratch, file, { args: ['--config', link] });
    await monitor.untilStatus('healthy');
    await mount.fault('hold');
    pointTo(held);
    monitor.signal('SIGHUP');
    const { code, stderr } = validate();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `configuration error: ${held}: could not be read within 5 s; the mount ${mount.path} may hang\n`,
    });
    await monitor.until('the file is rejected', () => monitor.stderr.includes('may hang'));
    pointTo('local.json');
    monitor.signal('SIGHUP');
    await monitor.until('the file is reloaded', () => monitor.stdout.includes('configuration reloaded'));
    pointTo(held);
    monitor.signal('SIGHUP');
    // No second process is started for the mount that still blocks the first one.
    await monitor.until('it is rejected again', () => monitor.stderr.split('may hang').length > 2, 2000);
    const stuck = childrenOf(pidOf(monitor)).filter((pid) => stateOf(pid) === 'D');
    expect(stuck).toHaveLength(1);
    monitor.signal('SIGTERM');
    expect(await monitor.exited).toEqual({ code: 0, signal: null });
  });
});
