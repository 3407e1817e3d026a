import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { abuses, IN_TURN } from '../testing/abuse.ts';
import { type MemoryCgroup, makeMemoryCgroup } from '../testing/cgroup.ts';
import { Machine } from '../testing/machine.ts';
import { MonitorProcess, Scratch } from '../testing/monitor-process.ts';
import { descriptorsOf, memoryOf } from '../testing/proc.ts';
import { expectWithin } from '../testing/rhythm.ts';

const executable = inject('executable');
const limitBytes = 64 * 1024 * 1024;
/** How long the kubelet may wait for an answer, in ms, in addition to the machine's own delay. */
const answerMs = 250;
const scratch = new Scratch();
let group: MemoryCgroup | undefined;
let monitor: MonitorProcess;
let machine: Machine;

beforeAll(async () => {
  group = makeMemoryCgroup(`mount-monitor-abuse-${process.pid}`, limitBytes);
  machine = await Machine.watch(executable);
  // Many mounts make for large answers. They are checked seldom, so that the server is what gets measured.
  const mounts = Array.from({ length: 50 }, (_, index) => ({
    path: scratch.mount(`m${index}`),
    name: `mount-${index}`,
  }));
  const wrapper = group?.wrapper;
  monitor = await MonitorProcess.start(
    executable,
    scratch,
    { checkInterval: '60s', readTimeout: '5s', mounts },
    wrapper === undefined ? {} : { wrapper },
  );
  await monitor.until('all are healthy', async () => (await monitor.status()).status === 'healthy');
});

afterAll(async () => {
  await monitor[Symbol.asyncDispose]();
  await machine[Symbol.asyncDispose]();
  await group?.remove();
  scratch[Symbol.dispose]();
});

async function begin(name: string, port = monitor.port): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('../testing/abuse.ts', import.meta.url));
  const child = spawn(process.execPath, [program, name, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the abuser exited with ${code}`)));
    child.stdout?.once('data', () => resolve());
  });
  return child;
}

/** Resolves once the abuser has opened ten thousand connections. */
function tenThousand({ stdout }: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    stdout?.on('data', (text: Buffer) => {
      if (text.includes(IN_TURN)) resolve();
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}

/** Sends a request over the agent's connection and reads the whole answer; returns the connection's local port. */
function askOver(agent: Agent): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: monitor.port, path: '/healthz/self', agent };
    get(options, (response) => {
      const { localPort } = response.socket;
      response.resume().once('end', () => resolve(localPort));
      response.once('error', reject);
    }).once('error', reject);
  });
}

/** Memory held by the monitor, and by the kernel for it, in bytes: anonymous memory and its connections' queues. */
function held(): number {
  const pid = monitor.child.pid ?? 0;
  const port = monitor.port.toString(16).toUpperCase().padStart(4, '0');
  let queued = 0;
  for (const family of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/${pid}/net/${family}`, 'utf8').split('\n')) {
      const [, local = '', , , queues = ''] = line.trim().split(/\s+/);
      if (!local.endsWith(`:${port}`)) continue;
      for (const queue of queues.split(':')) queued += Number.parseInt(queue, 16) || 0;
    }
  }
  return memoryOf(pid).anonymous * 1024 + queued;
}

async function metric(name: string): Promise<number> {
  const { body } = await monitor.get('/metrics');
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1]);
}

describe('a client, besides the kubelet, that', () => {
  it.each(Object.keys(abuses))(
    '%s does not delay answers, cut off other clients or use up memory',
    async (name) => {
      const pid = monitor.child.pid ?? 0;
      const abuser = await begin(name);
      let done = !name.endsWith('10,000 in turn');
      if (!done) void tenThousand(abuser).then(() => (done = true));
      // Its own address keeps it out of the abuser's network.
      const reader = new Agent({ keepAlive: true, maxSockets: 1, localAddress: '127.0.0.2' });
      const connections = new Set<number | undefined>();
      let slowest = 0;
      let most = 0;
      try {
        for (let probe = 0; probe < 10 || !done; probe += 1) {
          const askedAt = Date.now();
          // The kubelet opens a connection for each probe.
          const [answer, control] = await Promise.all([
            monitor.request('GET', '/healthz/live', { 'User-Agent': 'kube-probe/1.34', Connection: 'close' }),
            machine.answer(),
          ]);
          expect(answer.status).toBe(200);
          if (answer.milliseconds > answerMs) {
            const machineMs = Math.max(control, await machine.latenessSince(askedAt));
            expectWithin(`${name}: probe ${probe}`, answer.milliseconds, answerMs, machineMs);
          }
          slowest = Math.max(slowest, answer.milliseconds);
          connections.add(await askOver(reader));
          most = Math.max(most, held());
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      } finally {
        reader.destroy();
        await end(abuser);
      }
      console.log(`${name}: slowest ${slowest.toFixed(0)} ms, most ${(most / 1024 / 1024).toFixed(1)} MiB`);
      expect(most).toBeLessThan(limitBytes);
      expect(connections.size, 'connections of a client that reads').toBe(1);
      await monitor.until(
        'everything is back to normal',
        async () => (await metric('mount_monitor_http_connections')) <= 2,
        15_000,
      );
      expect(descriptorsOf(pid)).toBeLessThan(100);
      expect(monitor.child.exitCode).toBeNull();
    },
  );

  it.each([
    'opens connection after connection, 10,000 in turn',
    'opens and resets, 10,000 in turn',
    'opens, asks, and closes, 10,000 in turn',
  ])('%s does not keep mounts from being checked', async (name) => {
    using own = new Scratch();
    const mounts = [{ path: own.mount('m') }];
    await using watched = await MonitorProcess.start(executable, own, {
      checkInterval: '1s',
      readTimeout: '500ms',
      mounts,
    });
    await watched.untilStatus('healthy');
    // Two clients keep one of the monitor's processors busy on any machine.
    const abusers = [await begin(name, watched.port), await begin(name, watched.port)];
    try {
      const { last_check: before } = await watched.mount();
      await watched.until('a check runs', async () => (await watched.mount()).last_check !== before, 10_000);
      own.remove('m');
      await watched.until(
        'a failure is seen',
        async () => (await watched.mount()).status !== 'healthy',
        10_000,
      );
    } finally {
      await Promise.all(abusers.map(end));
    }
  });

  it('all abuse was counted, and no process was killed for its memory', async () => {
    const { body } = await monitor.get('/metrics');
    for (const reason of ['evicted', 'slow_reader', 'slow_head', 'pipelining', 'memory']) {
      expect(body).toMatch(
        new RegExp(`mount_monitor_http_connections_cut_total\\{reason="${reason}"\\} \\d`),
      );
    }
    expect(body).toMatch(/mount_monitor_http_connections_cut_total\{reason="evicted"\} [1-9]/);
    expect(body).toMatch(/mount_monitor_http_connections_cut_total\{reason="pipelining"\} [1-9]/);
    expect(body).toMatch(/mount_monitor_http_requests_total\{code="405"\} [1-9]/);
    expect(group?.killed() ?? 0).toBe(0);
  });
});
