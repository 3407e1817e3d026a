import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '@prebuilt/testing/free-port';
import { describe, expect, inject, it } from 'vitest';
import { Fifo } from '../testing/fifo.ts';
import { ask, MonitorProcess, Scratch } from '../testing/monitor-process.ts';
import { need } from '../testing/needs.ts';
import { childrenOf, stateOf } from '../testing/proc.ts';

const executable = inject('executable');
const timing = { checkInterval: '1s', readTimeout: '900ms', logLevel: 'debug' };
const isRoot = process.getuid?.() === 0;

/**
 * How quickly an endpoint answers while nobody reads the log, in ms. On a busy machine not every answer is that quick,
 * but a monitor that waits for a reader does not answer at all.
 */
const answerMs = 50;

/** How long SIGTERM may take with lines that nobody reads, in ms: far less than the shutdown may take. */
const endMs = 10_000;

async function expectAnswer(port: number, endpoint: string): Promise<void> {
  await until(`${endpoint} is answered within ${answerMs} ms`, async () => {
    return (await ask('127.0.0.1', port, 'GET', endpoint)).milliseconds <= answerMs;
  });
}

/** Expects working endpoints, checks and shutdown, no matter where the log goes. */
async function expectToGoOn(monitor: MonitorProcess): Promise<void> {
  await monitor.untilStatus('healthy');
  const { history = '' } = await monitor.mount();
  for (const endpoint of ['/healthz/live', '/healthz/ready', '/healthz/status', '/metrics']) {
    expect((await monitor.get(endpoint)).status).toBe(200);
    await expectAnswer(monitor.port, endpoint);
  }
  await monitor.until('the monitor continues checking', async () => {
    return ((await monitor.mount()).history ?? '').length >= history.length + 2;
  });
}

async function expectToEnd(monitor: MonitorProcess): Promise<void> {
  const start = performance.now();
  monitor.signal('SIGTERM');
  expect(await monitor.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - start).toBeLessThan(endMs);
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`timed out waiting until ${what}`);
    await wait(25);
  }
}

async function lostLines(monitor: MonitorProcess): Promise<number> {
  return lostIn((await monitor.get('/metrics')).body);
}

function lostIn(metrics: string): number {
  return Number(/^mount_monitor_log_lines_lost_total (\d+)$/m.exec(metrics)?.[1]);
}

function messages(text: string): readonly Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('a log that nobody reads does not stop the monitor', () => {
  it.each([
    ['stdout', [true, false]],
    ['stderr', [false, true]],
    ['stdout and stderr', [true, true]],
  ] as const)(
    'a log that nobody reads does not stop the monitor when %s is a full, blocking pipe',
    async (_, [stdoutFull, stderrFull]) => {
      using scratch = new Scratch();
      using stdout = new Fifo(scratch, 'stdout');
      using stderr = new Fifo(scratch, 'stderr');
      if (stdoutFull) stdout.fill();
      if (stderrFull) stderr.fill();
      // One mount fails, so that something is written to stderr.
      const mounts = [
        { path: scratch.mount('m') },
        { path: join(scratch.path, 'none'), failureThreshold: 1000 },
      ];
      await using monitor = await MonitorProcess.start(
        executable,
        scratch,
        { ...timing, mounts },
        { output: [stdout.writer, stderr.writer] },
      );
      await monitor.untilStatus('healthy');
      for (const endpoint of ['/healthz/live', '/healthz/status', '/metrics']) {
        await expectAnswer(monitor.port, endpoint);
      }
      await monitor.until(
        'the monitor continues checking',
        async () => ((await monitor.mount()).history ?? '').length >= 3,
      );
      await expectToEnd(monitor);
      // Nothing was lost: waiting lines were read as soon as there was room.
      expect(stdoutFull || messages(stdout.read()).length > 0).toBe(true);
    },
  );

  it('a log that nobody reads reports how many whole lines were lost once it is read again', async () => {
    using scratch = new Scratch();
    using stdout = new Fifo(scratch, 'stdout');
    stdout.fill();
    const mounts = Array.from({ length: 30 }, (_, index) => ({
      path: scratch.mount(`m${index}`),
      name: `${index}-${'n'.repeat(20_000)}`,
    }));
    await using monitor = await MonitorProcess.start(
      executable,
      scratch,
      { ...timing, mounts },
      { output: [stdout.writer, stdout.writer] },
    );
    // About 600 KB per second. The long names make the metrics large, so they are requested seldom.
    await until('lines were lost', async () => {
      await wait(2500);
      return (await lostLines(monitor)) > 0;
    });
    await expectAnswer(monitor.port, '/healthz/live');
    let text = '';
    await monitor.until('the loss is reported', () => {
      text += stdout.read();
      return text.includes('log lines were lost');
    });
    const lines = text.split('\n').slice(0, -1);
    const said = messages(lines.join('\n')).filter(({ msg }) =>
      String(msg).startsWith('log lines were lost'),
    );
    expect(said[0]).toMatchObject({ level: 'warn', count: expect.any(Number) });
    await expectToEnd(monitor);
  });

  it('a log whose reader left does not stop the monitor and reports the loss once a reader returns', async () => {
    using scratch = new Scratch();
    using stdout = new Fifo(scratch, 'stdout');
    const mounts = [{ path: scratch.mount('m') }];
    await using monitor = await MonitorProcess.start(
      executable,
      scratch,
      { ...timing, mounts },
      { output: [stdout.writer, stdout.writer] },
    );
    await monitor.untilStatus('healthy');
    stdout.read();
    stdout.leave();
    await monitor.until('lines were lost', async () => (await lostLines(monitor)) > 0);
    await expectToGoOn(monitor);
    stdout.comeBack();
    let text = '';
    await monitor.until('the log is read again', () => {
      text += stdout.read();
      return text.includes('health check passed');
    });
    const heard = messages(text.slice(0, text.lastIndexOf('\n')));
    expect(heard.some(({ msg }) => String(msg).startsWith('log lines were lost'))).toBe(true);
    await expectToEnd(monitor);
  });

  it('a log that nobody reads does not stop the monitor when stdout is a socket that nobody reads', async () => {
    using scratch = new Scratch();
    const mounts = Array.from({ length: 30 }, (_, index) => ({
      path: scratch.mount(`m${index}`),
      name: `${index}-${'n'.repeat(20_000)}`,
    }));
    // Node gives its children a socket where a pipe is requested.
    const port = await freePort();
    const config = scratch.write('c.json', JSON.stringify({ ...timing, httpPort: port, mounts }));
    const child = spawn(executable, ['--config', config], { env: {}, stdio: ['ignore', 'pipe', 'ignore'] });
    const exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    try {
      await until('lines were lost', async () => {
        await wait(2500);
        const answer = await ask('127.0.0.1', port, 'GET', '/metrics').catch(() => undefined);
        return answer !== undefined && lostIn(answer.body) > 0;
      });
      await expectAnswer(port, '/healthz/live');
      const start = performance.now();
      child.kill('SIGTERM');
      expect(await exited).toBe(0);
      expect(performance.now() - start).toBeLessThan(endMs);
    } finally {
      child.kill('SIGKILL');
    }
  });

  need(
    'script (util-linux)',
    spawnSync('script', ['--version']).status === 0,
    'for a terminal',
  )(
    'a log that nobody reads does not stop the monitor when it is a terminal stopped with Ctrl-S',
    async () => {
      using scratch = new Scratch();
      const port = await freePort();
      const mounts = [{ path: scratch.mount('m') }];
      const config = scratch.write('c.json', JSON.stringify({ ...timing, httpPort: port, mounts }));
      const command = `exec ${executable} --config ${config}`;
      const terminal = spawn('script', ['-qefc', command, '/dev/null'], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      const exited = new Promise((resolve) => terminal.once('exit', (code) => resolve(code)));
      // It may exit with the monitor, before it is told to go on.
      terminal.stdin.on('error', () => undefined);
      let text = '';
      terminal.stdout.setEncoding('utf8').on('data', (data: string) => {
        text += data;
      });
      const history = async (): Promise<number> => {
        const { body } = await ask('127.0.0.1', port, 'GET', '/healthz/status');
        return (JSON.parse(body) as { mounts: { history: string }[] }).mounts[0]?.history.length ?? 0;
      };
      try {
        await until('the log is read', () => text.includes('health check passed'));
        const [pid = 0] = childrenOf(terminal.pid ?? 0);
        terminal.stdin.write('\x13');
        await until('the terminal has stopped', async () => {
          const { length } = text;
          await wait(2500);
          return text.length === length;
        });
        const before = await history();
        await until('the monitor continues checking', async () => (await history()) >= before + 3);
        await expectAnswer(port, '/healthz/live');
        const start = performance.now();
        process.kill(pid, 'SIGTERM');
        await until('the monitor has exited', () => !existsSync(`/proc/${pid}`) || stateOf(pid) === 'Z');
        expect(performance.now() - start).toBeLessThan(endMs);
        terminal.stdin.write('\x11');
        expect(await exited).toBe(0);
      } finally {
        terminal.kill('SIGKILL');
      }
    },
  );

  need(
    'root',
    isRoot,
    'to run the monitor as another user',
  )('a log that nobody reads does not stop the monitor when it is a full pipe of another user', async () => {
    using scratch = new Scratch();
    chmodSync(scratch.path, 0o755);
    using stdout = new Fifo(scratch, 'stdout');
    chmodSync(stdout.path, 0o600);
    stdout.fill();
    const wrapper = [
      '/usr/bin/env',
      'PATH=/usr/bin:/bin',
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
    ];
    const mounts = [{ path: scratch.mount('m') }];
    await using monitor = await MonitorProcess.start(
      executable,
      scratch,
      { ...timing, mounts },
      { output: [stdout.writer, stdout.writer], wrapper },
    );
    await expectToGoOn(monitor);
    await expectToEnd(monitor);
  });

  need(
    'root',
    isRoot,
    'to mount a small disk',
  )(
    'a log on a full disk does not stop the monitor, and waiting lines are written once there is room',
    async () => {
      using scratch = new Scratch();
      const disk = join(scratch.path, 'disk');
      mkdirSync(disk);
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk]).status).toBe(0);
      try {
        const file = join(disk, 'log');
        const descriptor = openSync(file, 'a');
        try {
          writeFileSync(join(disk, 'filler'), Buffer.alloc(60 * 1024));
          spawnSync('sh', ['-c', `cat /dev/zero >> ${join(disk, 'filler2')}`]);
          const mounts = [{ path: scratch.mount('m') }];
          await using monitor = await MonitorProcess.start(
            executable,
            scratch,
            { ...timing, mounts },
            { output: [descriptor, descriptor] },
          );
          await expectToGoOn(monitor);
          expect(readFileSync(file, 'utf8')).toBe('');
          rmSync(join(disk, 'filler'));
          await monitor.until('the log is written', () =>
            readFileSync(file, 'utf8').includes('http server started'),
          );
          const written = readFileSync(file, 'utf8');
          // Both streams write here, each in its own order.
          const [first] = messages(written.slice(0, written.lastIndexOf('\n'))).filter(
            ({ level }) => level !== 'warn' && level !== 'error',
          );
          expect(first).toMatchObject({ msg: 'configuration loaded' });
          await expectToEnd(monitor);
        } finally {
          closeSync(descriptor);
        }
      } finally {
        spawnSync('umount', ['-l', disk]);
      }
    },
  );
});
