import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { freePort } from '@prebuilt/testing/free-port';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { compiledVersion } from '../testing/compile.ts';
import { MonitorProcess, runMonitor, Scratch } from '../testing/monitor-process.ts';
import { need } from '../testing/needs.ts';
import { descriptorsOf } from '../testing/proc.ts';

const executable = inject('executable');
const scratches: Scratch[] = [];
const timing = { checkInterval: '1s', readTimeout: '900ms' };

/** Starts a monitor in a separate folder; its mount passes only if `good` is set. */
async function start(config: Readonly<Record<string, unknown>>, good = true): Promise<MonitorProcess> {
  const scratch = new Scratch();
  scratches.push(scratch);
  const path = good ? scratch.mount('mount') : `${scratch.path}/mount`;
  return MonitorProcess.start(executable, scratch, { ...timing, mounts: [{ name: 'm', path }], ...config });
}

let healthy: MonitorProcess;
let degraded: MonitorProcess;
let unhealthy: MonitorProcess;

beforeAll(async () => {
  [healthy, degraded, unhealthy] = await Promise.all([
    start({ logLevel: 'debug' }),
    start({ failureThreshold: 1_000_000 }, false),
    start({ failureThreshold: 1 }, false),
  ]);
  await Promise.all([
    healthy.untilStatus('healthy'),
    degraded.untilStatus('degraded'),
    unhealthy.untilStatus('unhealthy'),
  ]);
});

afterAll(async () => {
  for (const monitor of [healthy, degraded, unhealthy]) await monitor[Symbol.asyncDispose]();
  for (const scratch of scratches) scratch[Symbol.dispose]();
});

const endpoints = [
  '/',
  '/version',
  '/metrics',
  '/healthz/live',
  '/healthz/ready',
  '/healthz/status',
  '/healthz/self',
];

describe.each(endpoints)('%s', (path) => {
  it('an endpoint answers GET with 200 while all mounts are healthy', async () => {
    const { status, headers, body } = await healthy.get(path);
    expect(status).toBe(200);
    expect(Number(headers['content-length'])).toBe(Buffer.byteLength(body));
    expect(headers['cache-control']).toBe('no-store');
  });

  it('an endpoint answers HEAD like GET, without the body', async () => {
    const [head, get] = [await healthy.request('HEAD', path), await healthy.get(path)];
    expect(head).toMatchObject({ status: 200, body: '' });
    expect(head.headers['content-type']).toBe(get.headers['content-type']);
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])(
    'an endpoint answers %s with 405 and the allowed methods',
    async (method) => {
      const { status, headers } = await healthy.request(method, path);
      expect({ status, allow: headers.allow }).toEqual({ status: 405, allow: 'GET, HEAD' });
    },
  );

  it('an endpoint ignores a query string', async () => {
    expect((await healthy.get(`${path}?a=b`)).status).toBe(200);
  });
});

describe('other paths', () => {
  it.each(['/nope', '/healthz', '/healthz/', '/healthz/live/', '/Version', '/constructor', '/__proto__'])(
    'answers %s with 404',
    async (path) => {
      expect((await healthy.get(path)).status).toBe(404);
    },
  );

  it.each([
    ['//healthz/live', '/healthz/live'],
    ['/healthz/../healthz/live?a=b', '/healthz/live?a=b'],
    ['/healthz/../version', '/version'],
    ['/./healthz//ready/', '/healthz/ready/'],
    ['//', '/'],
    ['///evil.example/x', '/evil.example/x'],
  ])('redirects %s to the clean path', async (path, location) => {
    const { status, headers } = await healthy.get(path);
    expect({ status, location: headers.location }).toEqual({ status: 301, location });
  });

  it.each([
    ['/healthz/%6Cive', 200],
    ['/%68ealthz/live', 200],
    ['/healthz%2Flive', 404],
    ['/healthz/%zz', 400],
  ])('answers %s with %d', async (path, code) => {
    expect((await healthy.get(path)).status).toBe(code);
  });

  it('answers other paths with 404 for every method', async () => {
    expect((await healthy.request('POST', '/nope')).status).toBe(404);
  });
});

describe('codes', () => {
  const table: readonly (readonly [string, string, number])[] = [
    ['degraded', '/healthz/live', 200],
    ['degraded', '/healthz/ready', 503],
    ['degraded', '/healthz/status', 503],
    ['degraded', '/healthz/self', 200],
    ['degraded', '/metrics', 200],
    ['degraded', '/version', 200],
    ['degraded', '/', 200],
    ['unhealthy', '/healthz/live', 503],
    ['unhealthy', '/healthz/ready', 503],
    ['unhealthy', '/healthz/status', 503],
    ['unhealthy', '/healthz/self', 200],
    ['unhealthy', '/metrics', 200],
    ['unhealthy', '/version', 200],
    ['unhealthy', '/', 200],
  ];
  it.each(table)('while a mount is %s, %s answers with %d', async (state, path, code) => {
    const monitor = state === 'degraded' ? degraded : unhealthy;
    expect((await monitor.get(path)).status).toBe(code);
    expect((await monitor.request('HEAD', path)).status).toBe(code);
  });
});

describe('bodies', () => {
  const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

  it.each(['/healthz/live', '/healthz/ready'])('%s has exactly the documented fields', async (path) => {
    const { headers, body } = await healthy.get(path);
    expect(headers['content-type']).toBe('application/json');
    expect(JSON.parse(body)).toEqual({
      status: 'healthy',
      timestamp: expect.stringMatching(rfc3339),
      mounts: [
        {
          name: 'm',
          path: expect.any(String),
          status: 'healthy',
          last_check: expect.stringMatching(rfc3339),
          failure_count: 0,
        },
      ],
    });
  });

  it('a failed mount has its error and reason', async () => {
    expect(JSON.parse((await unhealthy.get('/healthz/live')).body)).toEqual({
      status: 'unhealthy',
      timestamp: expect.stringMatching(rfc3339),
      mounts: [
        {
          name: 'm',
          path: expect.any(String),
          status: 'unhealthy',
          last_check: expect.stringMatching(rfc3339),
          failure_count: expect.any(Number),
          last_error: expect.stringContaining('ENOENT'),
          reason: 'missing',
        },
      ],
    });
  });

  it('/healthz/status adds the watchdog, the version and details for people', async () => {
    expect(JSON.parse((await healthy.get('/healthz/status')).body)).toMatchObject({
      status: 'healthy',
      version: compiledVersion,
      watchdog: { state: 'disabled' },
      hung_probes: 0,
      mounts: [
        {
          status: 'healthy',
          probe_hung: false,
          check_type: 'canary',
          history: expect.stringMatching(/^p+$/),
        },
      ],
    });
  });

  it('/healthz/live reports healthy while a mount is only degraded', async () => {
    expect(JSON.parse((await degraded.get('/healthz/live')).body)).toMatchObject({
      status: 'healthy',
      mounts: [{ status: 'degraded' }],
    });
    expect(JSON.parse((await degraded.get('/healthz/ready')).body)).toMatchObject({ status: 'unhealthy' });
  });

  it('/version returns the version', async () => {
    expect(JSON.parse((await healthy.get('/version')).body)).toEqual({ version: compiledVersion });
  });

  it('/healthz/self lists no stalled mount', async () => {
    expect(JSON.parse((await unhealthy.get('/healthz/self')).body)).toMatchObject({
      status: 'healthy',
      stalled_mounts: [],
    });
  });

  it('/ is a single HTML document that loads nothing from elsewhere', async () => {
    const { headers, body } = await healthy.get('/');
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(body).toMatch(/^<!doctype html>/);
    expect(body).not.toMatch(/(?:src|href)="(?!data:)/);
  });
});

describe('/metrics', () => {
  it.each([
    ['mount_monitor_build_info', 'gauge'],
    ['mount_monitor_mount_up', 'gauge'],
    ['mount_monitor_mount_state', 'gauge'],
    ['mount_monitor_consecutive_failures', 'gauge'],
    ['mount_monitor_last_check_timestamp_seconds', 'gauge'],
    ['mount_monitor_last_success_timestamp_seconds', 'gauge'],
    ['mount_monitor_probe_hung', 'gauge'],
    ['mount_monitor_checks_total', 'counter'],
    ['mount_monitor_state_transitions_total', 'counter'],
    ['mount_monitor_check_duration_seconds', 'histogram'],
    ['mount_monitor_restarts_total', 'counter'],
    ['mount_monitor_kube_api_requests_total', 'counter'],
    ['mount_monitor_watchdog_state', 'gauge'],
  ])('%s has HELP and the type %s', async (name, type) => {
    const { body, headers } = await healthy.get('/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toContain(`# HELP ${name} `);
    expect(body).toContain(`# TYPE ${name} ${type}\n`);
  });

  it('/metrics reports the state of each mount', async () => {
    const { body } = await unhealthy.get('/metrics');
    expect(body).toMatch(/mount_monitor_mount_up\{name="m",path="[^"]+"\} 0\n/);
    expect(body).toMatch(/mount_monitor_mount_state\{name="m",path="[^"]+",state="unhealthy"\} 1\n/);
    expect(body).toMatch(/mount_monitor_mount_state\{name="m",path="[^"]+",state="healthy"\} 0\n/);
    expect(body).toMatch(
      /mount_monitor_checks_total\{name="m",path="[^"]+",result="failed",reason="missing"\} [1-9]/,
    );
    expect(body).toMatch(
      /mount_monitor_state_transitions_total\{name="m",path="[^"]+",from="unknown",to="unhealthy"\} 1\n/,
    );
    expect(body).not.toContain('last_success_timestamp_seconds{name="m"');
  });

  it('/metrics has cumulative buckets whose last one is the count', async () => {
    const { body } = await healthy.get('/metrics');
    const buckets = [...body.matchAll(/check_duration_seconds_bucket\{[^}]*le="([^"]+)"\} (\d+)/g)];
    const counts = buckets.map(([, , count]) => Number(count));
    expect(buckets.at(-1)?.[1]).toBe('+Inf');
    expect([...counts].sort((a, b) => a - b)).toEqual(counts);
    expect(body).toContain(`_count{name="m",`);
    expect(Number(/check_duration_seconds_count\{[^}]*\} (\d+)/.exec(body)?.[1])).toBe(counts.at(-1));
  });

  it('/metrics escapes labels and repeats no series', async () => {
    await using monitor = await start({
      mounts: [
        { path: '/proc', checkType: 'mountpoint', name: 'a"b\\c\nd' },
        { path: '/proc', checkType: 'mountpoint', name: 'twin' },
        { path: '/proc', checkType: 'mountpoint', name: 'twin' },
      ],
    });
    const { body } = await monitor.get('/metrics');
    expect(body).toContain('mount_monitor_mount_up{name="a\\"b\\\\c\\nd",path="/proc"}');
    const series = body
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')));
    expect(new Set(series).size).toBe(series.length);
  });

  const promtool =
    runMonitor('promtool', ['--version'], { env: { PATH: process.env.PATH ?? '' } }).code === 0;
  need(
    'promtool',
    promtool,
    'to read the metrics independently',
  )('/metrics is accepted by Prometheus’s own checker', async () => {
    const { spawnSync } = await import('node:child_process');
    const { body } = await unhealthy.get('/metrics');
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
    expect({ status: checked.status, stderr: checked.stderr }).toEqual({ status: 0, stderr: '' });
  });
});

/** Sends raw bytes, and returns everything received until the connection ends and how long that took. */
function exchange(
  monitor: MonitorProcess,
  parts: readonly string[],
  pauseMs = 0,
): Promise<{ text: string; milliseconds: number }> {
  return new Promise((resolve) => {
    const start = performance.now();
    let text = '';
    const socket = connect({ host: '127.0.0.1', port: monitor.port });
    socket.setEncoding('utf8').on('data', (data: string) => {
      text += data;
    });
    socket.on('error', () => undefined);
    const timers = parts.map((part, index) => setTimeout(() => socket.write(part), index * pauseMs));
    socket.once('close', () => {
      for (const timer of timers) clearTimeout(timer);
      resolve({ text, milliseconds: performance.now() - start });
    });
  });
}

describe.concurrent('hostile clients', () => {
  it('cuts a request that never ends', async () => {
    const { text, milliseconds } = await exchange(healthy, ['GET /version HTTP/1.1\r\nHost: x\r\n']);
    expect(text).toMatch(/^HTTP\/1.1 408 /);
    expect(milliseconds).toBeLessThan(20_000);
  });

  it('cuts a request that trickles in', async () => {
    const headers = Array.from({ length: 40 }, (_, index) => `X-${index}: y\r\n`);
    const { milliseconds } = await exchange(
      healthy,
      ['GET /version HTTP/1.1\r\nHost: x\r\n', ...headers],
      500,
    );
    expect(milliseconds).toBeLessThan(20_000);
  });

  it('cuts a connection that sends nothing', async () => {
    expect((await exchange(healthy, [])).milliseconds).toBeLessThan(25_000);
  });

  it.each([
    ['headers', `GET /version HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['a target', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ])('rejects %s beyond the limit', async (_, request) => {
    expect((await exchange(healthy, [request])).text).toMatch(/^HTTP\/1.1 431 /);
  });

  it('rejects input that is not HTTP', async () => {
    expect((await exchange(healthy, ['\x16\x03\x01\x02\x00\r\n\r\n'])).text).toMatch(/^HTTP\/1.1 400 /);
  });

  it('answers without waiting for a body and closes the connection', async () => {
    const { text } = await exchange(healthy, [
      'POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc',
    ]);
    expect(text).toMatch(/^HTTP\/1.1 405 /);
    expect(text.toLowerCase()).toContain('connection: close');
  });

  it('answers a target in absolute form', async () => {
    const { text } = await exchange(healthy, [
      'GET http://h/version HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
    ]);
    expect(text).toMatch(/^HTTP\/1.1 200 /);
  });

  it('keeps serving other clients despite fifty connections that send nothing', async () => {
    const sockets = Array.from({ length: 50 }, () => connect({ host: '127.0.0.1', port: unhealthy.port }));
    for (const socket of sockets) socket.on('error', () => undefined);
    expect((await unhealthy.get('/version')).status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });
});

describe('many clients that begin requests without finishing them', () => {
  it('limits connections whose requests never end and closes them within seconds', async () => {
    const pid = degraded.child.pid ?? 0;
    const sockets = Array.from({ length: 400 }, () => connect({ host: '127.0.0.1', port: degraded.port }));
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      socket.write('GET /version HTTP/1.1\r\nHost: x\r\n');
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(descriptorsOf(pid)).toBeLessThan(300);
    await degraded.until(
      'the monitor answers again',
      async () => (await degraded.get('/version')).status === 200,
      30_000,
    );
    for (const socket of sockets) socket.destroy();
  });
});

describe('addresses', () => {
  const hasIpv6 = Object.values(networkInterfaces())
    .flat()
    .some((address) => address?.address === '::1');

  it('listens on all IPv4 addresses by default', async () => {
    expect((await healthy.get('/version')).status).toBe(200);
  });

  need(
    'IPv6',
    hasIpv6,
    'on the loopback interface',
  )('listens on all IPv6 addresses by default', async () => {
    const scratch = new Scratch();
    scratches.push(scratch);
    const mounts = [{ path: scratch.mount('m') }];
    await using monitor = await MonitorProcess.start(
      executable,
      scratch,
      { ...timing, mounts },
      { host: '::1' },
    );
    expect((await monitor.get('/version')).status).toBe(200);
  });

  it('listens only on httpHost if given', async () => {
    await using monitor = await start({ httpHost: '127.0.0.1' });
    const other = connect({ host: '127.0.0.2', port: monitor.port });
    const outcome = await new Promise((resolve) => {
      other.once('connect', () => resolve('connected'));
      other.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    other.destroy();
    expect(outcome).toBe('ECONNREFUSED');
  });

  it.each([undefined, '127.0.0.1'])(
    'exits with 1 and the reason if the port is taken (host %s)',
    async (httpHost) => {
      const scratch = new Scratch();
      scratches.push(scratch);
      const config = { httpHost, httpPort: healthy.port, mounts: [{ path: scratch.mount('m') }] };
      const { code, stderr } = runMonitor(executable, [
        '-c',
        scratch.write('c.json', JSON.stringify(config)),
      ]);
      expect(code).toBe(1);
      expect(stderr).toContain(`port ${healthy.port}`);
      expect(stderr).toContain('the port is already in use');
      expect(stderr).toContain('EADDRINUSE');
    },
  );

  it('exits with 1 and the reason if the machine does not have the address', async () => {
    const scratch = new Scratch();
    scratches.push(scratch);
    const config = {
      httpHost: '192.0.2.1',
      httpPort: await freePort(),
      mounts: [{ path: scratch.mount('m') }],
    };
    const { code, stderr } = runMonitor(executable, ['-c', scratch.write('c.json', JSON.stringify(config))]);
    expect(code).toBe(1);
    expect(stderr).toContain('192.0.2.1');
  });

  it('--http-port overrides the configuration file', async () => {
    const scratch = new Scratch();
    scratches.push(scratch);
    const port = await freePort();
    const path = scratch.write(
      'c.json',
      JSON.stringify({ httpPort: healthy.port, mounts: [{ path: '/proc', checkType: 'mountpoint' }] }),
    );
    // With the file's port the monitor would exit immediately, because that port is taken.
    const args = ['--http-port', String(port), '-c', path];
    await using monitor = await MonitorProcess.start(
      executable,
      scratch,
      { httpPort: port, mounts: [{ path: '/proc', checkType: 'mountpoint' }] },
      { args },
    );
    expect((await monitor.get('/version')).status).toBe(200);
  });
});
