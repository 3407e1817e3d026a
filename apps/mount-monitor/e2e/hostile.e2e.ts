import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { makeMemoryCgroup } from '../testing/cgroup.ts';
import { MonitorProcess, runMonitor, Scratch } from '../testing/monitor-process.ts';
import { canMountFuse, FaultMount } from '../testing/mounts.ts';
import { need } from '../testing/needs.ts';
import { childrenOf, memoryOf } from '../testing/proc.ts';

const executable = inject('executable');
const timing = { checkInterval: '1s', readTimeout: '900ms' };
/** For monitors of which one check is seen: however busy the machine is, it passes. */
const unhurried = { checkInterval: '20s', readTimeout: '10s' };
const isRoot = process.getuid?.() === 0;
const asRoot = need('root', isRoot, 'to make namespaces');
const path = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin';
/** Like in a container: another user, no capabilities, and no way to gain any. */
const asNobody = [
  'setpriv',
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
  '--bounding-set=-all',
  '--inh-caps=-all',
  '--no-new-privs',
];

/** Runs a script in a separate mount namespace, then the program as nobody. */
function inNamespace(script: string): readonly string[] {
  const shell = `set -e; mount --make-rprivate /; ${script}; exec ${asNobody.join(' ')} "$@"`;
  return ['/usr/bin/env', '-i', path, 'unshare', '--mount', 'sh', '-c', shell, 'sh'];
}

async function expectToWork(monitor: MonitorProcess): Promise<void> {
  await monitor.untilStatus('healthy');
  for (const endpoint of [
    '/',
    '/metrics',
    '/healthz/live',
    '/healthz/ready',
    '/healthz/self',
    '/healthz/status',
  ]) {
    expect((await monitor.get(endpoint)).status, endpoint).toBe(200);
  }
  monitor.signal('SIGTERM');
  expect((await monitor.exited).code).toBe(0);
  expect(monitor.stderr).toBe('');
}

describe('hostile environments', () => {
  asRoot('the monitor works as user 65534 without capabilities on a read-only root', async () => {
    using scratch = new Scratch();
    chmodSync(scratch.path, 0o755);
    const config = { ...unhurried, mounts: [{ path: scratch.mount('m') }] };
    const wrapper = inNamespace(
      'mount -o remount,bind,ro /; if touch /tmp/written 2>/dev/null; then exit 9; fi',
    );
    await using monitor = await MonitorProcess.start(executable, scratch, config, { wrapper });
    await expectToWork(monitor);
  });

  asRoot('the monitor works without /tmp, a home folder or anything writable', async () => {
    using scratch = new Scratch();
    chmodSync(scratch.path, 0o755);
    scratch.mount('m');
    const config = { ...unhurried, mounts: [{ path: '/mnt/m' }] };
    const script = [
      `mount --bind ${scratch.path} /mnt`,
      `mount --bind ${dirname(executable)} /media`,
      'mount -t tmpfs -o ro,size=4k none /tmp',
      'mount -t tmpfs -o ro,size=4k none /root',
      'mount -o remount,bind,ro /',
      'cd /',
    ].join('; ');
    const args = ['--config', '/mnt/config.json'];
    await using monitor = await MonitorProcess.start('/media/mount-monitor', scratch, config, {
      wrapper: inNamespace(script),
      args,
    });
    await expectToWork(monitor);
  });

  asRoot('the monitor exits 1 with a message if it may not read the configuration', () => {
    using scratch = new Scratch();
    chmodSync(scratch.path, 0o755);
    const file = scratch.write('secret.json', '{}');
    chmodSync(file, 0o600);
    const { code, stderr } = runMonitor(executable, ['-c', file], {
      wrapper: ['/usr/bin/env', '-i', path, ...asNobody],
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^configuration error: .*secret\.json: cannot read the configuration file: EACCES/,
    );
  });

  asRoot('the monitor exits 1 with a message if it may not use the port', () => {
    using scratch = new Scratch();
    chmodSync(scratch.path, 0o755);
    const file = scratch.write(
      'c.json',
      JSON.stringify({ ...timing, httpPort: 81, mounts: [{ path: scratch.mount('m') }] }),
    );
    const lowPorts = 'sysctl -q -w net.ipv4.ip_unprivileged_port_start=1024';
    const wrapper = [
      '/usr/bin/env',
      '-i',
      path,
      'unshare',
      '--net',
      'sh',
      '-c',
      `${lowPorts}; exec ${asNobody.join(' ')} "$@"`,
      'sh',
    ];
    const { code, stderr } = runMonitor(executable, ['-c', file], { wrapper });
    expect(code).toBe(1);
    expect(stderr).toContain('cannot listen on port 81: no permission to use the port (EACCES)');
  });

  it('.env and bunfig.toml in the working directory are ignored', async () => {
    using scratch = new Scratch();
    const cwd = join(scratch.path, 'cwd');
    mkdirSync(cwd);
    const proof = join(scratch.path, 'code-was-run');
    writeFileSync(
      join(cwd, '.env'),
      'KUBERNETES_SERVICE_HOST=127.0.0.1\nKUBERNETES_SERVICE_PORT=1\nPOD_NAME=evil\nPOD_NAMESPACE=evil\nRELEASE_VERSION=6.6.6\n',
    );
    writeFileSync(join(cwd, 'bunfig.toml'), 'preload = ["./preload.ts"]\n');
    writeFileSync(
      join(cwd, 'preload.ts'),
      `require('node:fs').writeFileSync(${JSON.stringify(proof)}, 'x');\n`,
    );
    const config = { ...timing, mounts: [{ path: scratch.mount('m') }], watchdog: { enabled: true } };
    await using monitor = await MonitorProcess.start(executable, scratch, config, { cwd });
    await monitor.untilStatus('healthy');
    const { watchdog, version } = await monitor.status();
    expect(watchdog).toMatchObject({ state: 'disarmed' });
    expect(version).not.toBe('6.6.6');
    expect(existsSync(proof)).toBe(false);
  });

  it('if probes cannot be started, no state changes, but /healthz/self fails', async () => {
    using scratch = new Scratch();
    const copy = join(scratch.path, 'copy');
    copyFileSync(executable, copy);
    chmodSync(copy, 0o755);
    const config = { ...timing, failureThreshold: 1, mounts: [{ path: scratch.mount('m') }] };
    await using monitor = await MonitorProcess.start(copy, scratch, config);
    await monitor.untilStatus('healthy');
    scratch.remove('copy');
    // The existing probes would go on, so they are killed, as by the OOM killer.
    for (const probe of childrenOf(monitor.child.pid ?? 0)) process.kill(probe, 'SIGKILL');
    await monitor.until(
      'the loop has stalled',
      async () => (await monitor.get('/healthz/self')).status === 503,
    );
    expect(JSON.parse((await monitor.get('/healthz/self')).body)).toMatchObject({
      status: 'unhealthy',
      stalled_mounts: [join(scratch.path, 'm')],
    });
    expect((await monitor.mount()).status).toBe('healthy');
    await monitor.untilMetrics(/result="inconclusive",reason=""\} [1-9]/);
    expect(monitor.log().find(({ level }) => level === 'error')).toMatchObject({
      msg: 'health check inconclusive',
    });
  });

  it('the monitor keeps running if nobody reads stdout and stderr anymore', async () => {
    using scratch = new Scratch();
    const config = { ...timing, logLevel: 'debug', mounts: [{ path: scratch.mount('m') }] };
    await using monitor = await MonitorProcess.start(executable, scratch, config);
    monitor.child.stdout?.destroy();
    monitor.child.stderr?.destroy();
    await monitor.untilStatus('healthy');
    const { history = '' } = await monitor.mount();
    await monitor.until(
      'the monitor continues checking',
      async () => ((await monitor.mount()).history ?? '').length >= history.length + 2,
    );
  });
});

const group = isRoot ? makeMemoryCgroup(`mount-monitor-test-${process.pid}`, 64 * 1024 * 1024) : undefined;

describe('a memory limit of 64 MiB', () => {
  need(
    'a cgroup with a memory limit',
    group !== undefined && canMountFuse,
    'and FUSE',
  )('a memory limit of 64 MiB is enough for ten hung mounts', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const mounts = Array.from({ length: 10 }, (_, index) => ({ path: `${mount.path}/d${index}` }));
    await using monitor = await MonitorProcess.start(
      executable,
      scratch,
      { ...timing, logLevel: 'error', mounts },
      { wrapper: group?.wrapper ?? [] },
    );
    await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
    await mount.fault('hold');
    await monitor.until('all hang', async () => (await monitor.status()).hung_probes === mounts.length);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect((await monitor.get('/healthz/self')).status).toBe(200);
    console.log(
      `64 MiB limit, 10 hung mounts: ${Math.round((group?.used() ?? 0) / 1024)} KiB charged, monitor ${memoryOf(monitor.child.pid ?? 0).anonymous} KiB anonymous`,
    );
    expect(group?.killed() ?? 0).toBe(0);
    await mount.fault('none');
    await monitor.until('all are healthy again', async () => (await monitor.status()).status === 'healthy');
  });

  afterAll(() => group?.remove());
});

const small = isRoot ? makeMemoryCgroup(`mount-monitor-small-${process.pid}`, 40 * 1024 * 1024) : undefined;

describe('a memory limit that is too small for all hung mounts', () => {
  need(
    'a cgroup with a memory limit',
    small !== undefined && canMountFuse,
    'and FUSE',
  )('with too many hung mounts for its memory, the monitor says so and is not killed', async () => {
    using scratch = new Scratch();
    await using mount = await FaultMount.mount(scratch, 'f');
    const mounts = Array.from({ length: 24 }, (_, index) => ({ path: `${mount.path}/d${index}` }));
    await using monitor = await MonitorProcess.start(
      executable,
      scratch,
      { ...timing, mounts },
      { wrapper: small?.wrapper ?? [] },
    );
    const untilHealthy = () =>
      monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy', 60_000);
    await untilHealthy();
    await mount.fault('hold');
    await monitor.until(
      'there is no memory for another probe',
      () => monitor.log().some(({ error }) => /no memory for another one: \d+ of 40 MiB/.test(String(error))),
      60_000,
    );
    expect((await monitor.status()).hung_probes).toBeGreaterThan(2);
    expect((await monitor.get('/metrics')).status).toBe(200);
    expect(small?.killed() ?? 0).toBe(0);
    await mount.fault('none');
    await untilHealthy();
  });

  afterAll(() => small?.remove());
});
