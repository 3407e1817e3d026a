import { execFileSync } from 'node:child_process';
import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@prebuilt/testing/free-port';
import { describe, expect, inject, it } from 'vitest';
import { MonitorProcess, Scratch, type StartOptions } from '../testing/monitor-process.ts';

const executable = inject('executable');
const timing = { checkInterval: '1s', readTimeout: '900ms' };

function start(scratch: Scratch, config: Readonly<Record<string, unknown>>, options?: StartOptions) {
  return MonitorProcess.start(executable, scratch, { ...timing, ...config }, options);
}

/** The state changes in the log, as `from>to:trigger`. */
function changes(monitor: MonitorProcess, path?: string): readonly string[] {
  return monitor
    .log()
    .filter((line) => line.msg === 'mount state changed' && (path === undefined || line.path === path))
    .map((line) => `${line.previous_state}>${line.new_state}:${line.trigger}`);
}

/** Expects these state changes. A change may reach the log slightly later than the endpoints. */
async function expectChanges(monitor: MonitorProcess, expected: readonly string[]): Promise<void> {
  await monitor.until('the changes are logged', () => changes(monitor).length >= expected.length);
  expect(changes(monitor)).toEqual(expected);
}

/** Waits until the log contains this text. */
function untilLogged(monitor: MonitorProcess, text: string): Promise<void> {
  return monitor.until(`"${text}" is logged`, () => `${monitor.stdout}${monitor.stderr}`.includes(text));
}

describe.concurrent('transitions', () => {
  it('a mount goes from unknown to healthy, degraded, unhealthy and back', async () => {
    using scratch = new Scratch();
    const path = scratch.mount('m');
    await using monitor = await start(scratch, { failureThreshold: 2, mounts: [{ path }] });
    await monitor.untilStatus('healthy');
    scratch.remove('m/.health-check');
    await monitor.untilStatus('degraded');
    expect((await monitor.get('/healthz/live')).status).toBe(200);
    await monitor.untilStatus('unhealthy');
    expect((await monitor.mount()).failure_count).toBeGreaterThanOrEqual(2);
    expect((await monitor.get('/healthz/live')).status).toBe(503);
    scratch.mount('m');
    await monitor.untilStatus('healthy');
    expect(await monitor.mount()).not.toHaveProperty('reason');
    await expectChanges(monitor, [
      'unknown>healthy:check_passed',
      'healthy>degraded:check_failed',
      'degraded>unhealthy:check_failed',
      'unhealthy>healthy:recovered',
    ]);
  });

  it('a mount goes from unknown to degraded to healthy', async () => {
    using scratch = new Scratch();
    const path = join(scratch.path, 'm');
    await using monitor = await start(scratch, { failureThreshold: 100, mounts: [{ path }] });
    await monitor.untilStatus('degraded');
    scratch.mount('m');
    await monitor.untilStatus('healthy');
    await expectChanges(monitor, ['unknown>degraded:check_failed', 'degraded>healthy:check_passed']);
  });

  it('a mount skips degraded with a threshold of 1', async () => {
    using scratch = new Scratch();
    await using monitor = await start(scratch, {
      failureThreshold: 1,
      mounts: [{ path: join(scratch.path, 'm') }],
    });
    await monitor.untilStatus('unhealthy');
    await expectChanges(monitor, ['unknown>unhealthy:check_failed']);
  });

  it('a mount’s own threshold overrides the global one', async () => {
    using scratch = new Scratch();
    const [a, b] = [join(scratch.path, 'a'), join(scratch.path, 'b')];
    const mounts = [{ path: a, failureThreshold: 1 }, { path: b }];
    await using monitor = await start(scratch, { failureThreshold: 1000, mounts });
    await monitor.untilStatus('unhealthy', 0);
    await monitor.untilStatus('degraded', 1);
  });

  it('recovery takes successThreshold consecutive passes', async () => {
    using scratch = new Scratch();
    const path = join(scratch.path, 'm');
    await using monitor = await start(scratch, {
      failureThreshold: 1,
      successThreshold: 3,
      mounts: [{ path }],
    });
    await monitor.untilStatus('unhealthy');
    scratch.mount('m');
    await monitor.untilStatus('healthy');
    const { history = '' } = await monitor.mount();
    expect(history).toMatch(/fppp/);
    await untilLogged(monitor, 'recovered');
    expect(changes(monitor).at(-1)).toBe('unhealthy>healthy:recovered');
  });
});

describe.concurrent('logs', () => {
  it('writes JSON logs, with info on stdout and failures on stderr', async () => {
    using scratch = new Scratch();
    const mounts = [
      { path: scratch.mount('good'), name: 'good' },
      { path: join(scratch.path, 'bad'), name: 'bad' },
    ];
    await using monitor = await start(scratch, { mounts });
    await monitor.untilStatus('degraded', 1);
    await monitor.untilStatus('healthy', 0);
    await untilLogged(monitor, 'health check failed');
    const lines = monitor.log();
    for (const { time, level, msg } of lines) {
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      expect(level).toMatch(/^(info|warn)$/);
      expect(msg).not.toBe('');
    }
    for (const { stream, level } of lines) expect(stream).toBe(level === 'info' ? 'stdout' : 'stderr');
    expect(lines.find(({ msg }) => msg === 'health check failed')).toMatchObject({
      name: 'bad',
      reason: 'missing',
      level: 'warn',
    });
    expect(lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['configuration loaded', 'starting mount monitor', 'http server started']),
    );
  });

  it('logs passed checks and requests only at level debug', async () => {
    using scratch = new Scratch();
    await using monitor = await start(
      scratch,
      { mounts: [{ path: scratch.mount('m') }] },
      { args: ['--log-level', 'debug'] },
    );
    await monitor.untilStatus('healthy');
    await monitor.get('/healthz/live');
    await untilLogged(monitor, 'probe request');
    await untilLogged(monitor, 'health check passed');
    const messages = monitor.log().filter(({ level }) => level === 'debug');
    expect(messages.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['health check passed', 'http request', 'probe request']),
    );
    for (const { stream } of messages) expect(stream).toBe('stdout');
  });

  it('logs no failed checks at level error', async () => {
    using scratch = new Scratch();
    await using monitor = await start(scratch, {
      logLevel: 'error',
      mounts: [{ path: join(scratch.path, 'm') }],
    });
    await monitor.untilStatus('degraded');
    expect(monitor.stdout + monitor.stderr).toBe('');
  });

  it('writes logfmt in text format, on the same streams', async () => {
    using scratch = new Scratch();
    await using monitor = await start(scratch, {
      logFormat: 'text',
      mounts: [{ path: join(scratch.path, 'm') }],
    });
    await monitor.untilStatus('degraded');
    await untilLogged(monitor, 'health check failed');
    expect(monitor.stdout).toMatch(/^time=\S+ level=info msg="starting mount monitor" version=\S+ /m);
    expect(monitor.stderr).toMatch(
      /^time=\S+ level=warn msg="health check failed" path=\S+ .*reason=missing/m,
    );
  });

  it('logs warnings about unknown keys and continues', async () => {
    using scratch = new Scratch();
    await using monitor = await start(scratch, { mounts: [{ path: scratch.mount('m'), cannary: 1 }] });
    await untilLogged(monitor, 'cannary');
    expect(monitor.log().find(({ level }) => level === 'warn')).toMatchObject({
      problem: expect.stringContaining('mounts[0].cannary: unknown key'),
    });
  });
});

describe.concurrent('reload', () => {
  it('reloads a valid file on SIGHUP, keeps the state of unchanged mounts and checks new ones at once', async () => {
    using scratch = new Scratch();
    const [a, b, c] = [scratch.mount('a'), scratch.mount('b'), scratch.mount('c')];
    await using monitor = await start(scratch, { checkInterval: '60s', mounts: [{ path: a }, { path: b }] });
    await monitor.untilStatus('healthy', 0);
    await monitor.untilStatus('healthy', 1);
    const before = await monitor.mount(1);
    const next = {
      ...timing,
      checkInterval: '60s',
      httpPort: monitor.port,
      failureThreshold: 9,
      mounts: [{ path: c }, { path: b, name: 'kept' }],
    };
    scratch.write('config.json', JSON.stringify(next));
    monitor.signal('SIGHUP');
    await monitor.until('the file is reloaded', () => monitor.stdout.includes('configuration reloaded'));
    await monitor.untilStatus('healthy', 0);
    const after = await monitor.status();
    expect(after.mounts.map(({ path }) => path)).toEqual([c, b]);
    expect(after.mounts[1]).toMatchObject({
      name: 'kept',
      status: 'healthy',
      last_check: before.last_check,
      since: expect.any(String),
    });
  });

  it('keeps everything if the file is invalid, logs why and shows it in the metrics', async () => {
    using scratch = new Scratch();
    const path = scratch.mount('m');
    await using monitor = await start(scratch, { mounts: [{ path }] });
    await monitor.untilStatus('healthy');
    scratch.write('config.json', JSON.stringify({ mounts: [], checkInterval: 'x' }));
    monitor.signal('SIGHUP');
    await monitor.until('the file is rejected', () => monitor.stderr.includes('configuration not reloaded'));
    expect(monitor.log().find(({ msg }) => msg.startsWith('configuration not reloaded'))).toMatchObject({
      level: 'error',
      problems: [
        expect.stringContaining('checkInterval: found "x"'),
        expect.stringContaining('mounts: found []'),
      ],
    });
    expect((await monitor.mount()).path).toBe(path);
    await monitor.untilMetrics(/^mount_monitor_config_last_reload_successful 0$/m);
    scratch.write('config.json', JSON.stringify({ ...timing, httpPort: monitor.port, mounts: [{ path }] }));
    monitor.signal('SIGHUP');
    await monitor.until('the file is reloaded', () => monitor.stdout.includes('configuration reloaded'));
    await monitor.untilMetrics(/^mount_monitor_config_last_reload_successful 1$/m);
  });

  it('reports that the file cannot be read while a FIFO is in its place and continues once it is back', async () => {
    using scratch = new Scratch();
    const mounts = [{ path: scratch.mount('m') }];
    await using monitor = await start(scratch, { mounts });
    await monitor.untilStatus('healthy');
    scratch.remove('config.json');
    execFileSync('mkfifo', [join(scratch.path, 'config.json')]);
    monitor.signal('SIGHUP');
    await monitor.until('the file is rejected', () => monitor.stderr.includes('configuration not reloaded'));
    await monitor.untilMetrics(/^mount_monitor_config_last_reload_successful 0$/m);
    scratch.remove('config.json');
    scratch.write('config.json', JSON.stringify({ ...timing, httpPort: monitor.port, mounts }));
    monitor.signal('SIGHUP');
    await monitor.until('the file is reloaded', () => monitor.stdout.includes('configuration reloaded'));
  });

  it('reloads automatically when a symbolic link is swapped, as in a ConfigMap update', async () => {
    using scratch = new Scratch();
    const [a, b] = [scratch.mount('a'), scratch.mount('b')];
    const port = await freePort();
    const config = (path: string) => JSON.stringify({ ...timing, httpPort: port, mounts: [{ path }] });
    scratch.write('one/config.json', config(a));
    scratch.write('two/config.json', config(b));
    symlinkSync('one', join(scratch.path, '..data'));
    symlinkSync('..data/config.json', join(scratch.path, 'linked.json'));
    await using monitor = await start(
      scratch,
      { httpPort: port, mounts: [{ path: a }] },
      { args: ['--config', join(scratch.path, 'linked.json')] },
    );
    await monitor.untilStatus('healthy');
    symlinkSync('two', join(scratch.path, '..next'));
    renameSync(join(scratch.path, '..next'), join(scratch.path, '..data'));
    await monitor.until('the other mount is watched', async () => (await monitor.mount()).path === b, 25_000);
  });

  it('survives the temporary absence of the file', async () => {
    using scratch = new Scratch();
    const path = scratch.mount('m');
    await using monitor = await start(scratch, { mounts: [{ path }] });
    await monitor.untilStatus('healthy');
    rmSync(join(scratch.path, 'config.json'));
    monitor.signal('SIGHUP');
    await monitor.until('the file is rejected', () => monitor.stderr.includes('configuration not reloaded'));
    expect((await monitor.get('/healthz/ready')).status).toBe(200);
  });

  it('moves to another port, or keeps the old one if the new one is taken', async () => {
    using scratch = new Scratch();
    const path = scratch.mount('m');
    await using monitor = await start(scratch, { mounts: [{ path }] });
    await using other = await start(scratch, { mounts: [{ path }] });
    const write = (httpPort: number) =>
      writeFileSync(
        join(scratch.path, 'config.json'),
        JSON.stringify({ ...timing, httpPort, mounts: [{ path }] }),
      );
    write(other.port);
    monitor.signal('SIGHUP');
    await monitor.until('the port is rejected', () => monitor.stderr.includes('the port is already in use'));
    expect((await monitor.get('/version')).status).toBe(200);
    const port = await freePort();
    write(port);
    monitor.signal('SIGHUP');
    await monitor.until('the server has moved', () => monitor.stdout.includes('http server moved'));
    const socket = connect({ host: '127.0.0.1', port });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.destroy();
    await expect(monitor.get('/version')).rejects.toThrow('ECONNREFUSED');
  });

  it('changes the log’s level and format, unless a flag sets them', async () => {
    using scratch = new Scratch();
    const mounts = [{ path: scratch.mount('m') }];
    await using monitor = await start(scratch, { mounts }, { args: ['--log-level', 'info'] });
    scratch.write(
      'config.json',
      JSON.stringify({ ...timing, httpPort: monitor.port, logLevel: 'error', logFormat: 'text', mounts }),
    );
    monitor.signal('SIGHUP');
    await monitor.until('the file is reloaded', () =>
      /level=info msg="configuration reloaded"/.test(monitor.stdout),
    );
  });
});

/** Opens a connection with a request that has begun and does not continue. */
async function openRequest(monitor: MonitorProcess, begin: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: monitor.port });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write(begin);
  // Long enough for the monitor to have read it; there is no answer to wait for.
  await new Promise((resolve) => setTimeout(resolve, 300));
  return socket;
}

describe.concurrent('shutdown', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('exits with 0 on %s', async (signal) => {
    using scratch = new Scratch();
    await using monitor = await start(scratch, { mounts: [{ path: scratch.mount('m') }] });
    await monitor.untilStatus('healthy');
    monitor.signal(signal);
    expect(await monitor.exited).toEqual({ code: 0, signal: null });
    expect(
      monitor
        .log()
        .map(({ msg }) => msg)
        .slice(-3),
    ).toEqual(['received shutdown signal', 'monitor shutting down', 'shutdown complete']);
    expect(monitor.stderr).toBe('');
  });

  it('fails readiness immediately on an open connection while letting its request finish', async () => {
    using scratch = new Scratch();
    await using monitor = await start(scratch, {
      shutdownTimeout: '20s',
      mounts: [{ path: scratch.mount('m') }],
    });
    await monitor.untilStatus('healthy');
    const socket = await openRequest(monitor, 'GET /healthz/ready HTTP/1.1\r\nHost: x\r\n');
    let text = '';
    socket.setEncoding('utf8').on('data', (data: string) => {
      text += data;
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    monitor.signal('SIGTERM');
    await monitor.until('the monitor drains', () => monitor.stdout.includes('received shutdown signal'));
    await expect(monitor.get('/healthz/ready')).rejects.toThrow('ECONNREFUSED');
    socket.write('\r\n');
    await closed;
    expect(text).toMatch(/^HTTP\/1.1 503 /);
    expect(await monitor.exited).toEqual({ code: 0, signal: null });
  });

  it('cuts a connection that does not end after shutdownTimeout', async () => {
    using scratch = new Scratch();
    await using monitor = await start(scratch, {
      shutdownTimeout: '1s',
      mounts: [{ path: scratch.mount('m') }],
    });
    const socket = await openRequest(monitor, 'GET /version HTTP/1.1\r\n');
    monitor.signal('SIGTERM');
    expect(await monitor.exited).toEqual({ code: 0, signal: null });
    socket.destroy();
  });

  it('exits immediately on a second signal', async () => {
    using scratch = new Scratch();
    await using monitor = await start(scratch, {
      shutdownTimeout: '1h',
      mounts: [{ path: scratch.mount('m') }],
    });
    const socket = await openRequest(monitor, 'GET /version HTTP/1.1\r\n');
    monitor.signal('SIGTERM');
    await monitor.until('the monitor drains', () => monitor.stdout.includes('received shutdown signal'));
    monitor.signal('SIGTERM');
    expect(await monitor.exited).toEqual({ code: 143, signal: null });
    socket.destroy();
  });

  it('exits in time on a signal right after the start', async () => {
    using scratch = new Scratch();
    await using monitor = await start(scratch, { mounts: [{ path: scratch.mount('m') }] });
    monitor.signal('SIGTERM');
    expect((await monitor.exited).code).toBe(0);
  });
});

describe('running from source on Node', () => {
  it('checks, answers and exits in the same way from source on Node', async () => {
    using scratch = new Scratch();
    const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
    const mounts = [{ path: scratch.mount('m') }, { path: join(scratch.path, 'bad') }];
    const config = { ...timing, readTimeout: '900ms', mounts };
    await using monitor = await MonitorProcess.start(main, scratch, config, { wrapper: [process.execPath] });
    await monitor.untilStatus('healthy', 0);
    await monitor.untilStatus('degraded', 1);
    expect((await monitor.get('/healthz/ready')).status).toBe(503);
    monitor.signal('SIGTERM');
    expect(await monitor.exited).toEqual({ code: 0, signal: null });
  });
});
