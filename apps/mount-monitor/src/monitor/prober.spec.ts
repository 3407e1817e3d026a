import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ProbeRequest } from '../probe/protocol.ts';
import { collectGarbage } from '../runtime.ts';
import { Prober, type ProberOptions } from './prober.ts';

vi.mock('../runtime.ts', async (original) => ({
  ...(await original<typeof import('../runtime.ts')>()),
  collectGarbage: vi.fn(),
}));

/** The script of a probe. It first reports that it is ready, then runs `answer` for each request, a parsed line. */
function probeOf(answer: string): string {
  return `
    const { writeSync, readSync, readFileSync } = require('node:fs');
    const say = (line) => writeSync(3, JSON.stringify(line) + '\\n');
    const begin = () => say({ begin: true });
    const pass = (more) => say({ passed: true, durationMs: 1.5, ...more });
    const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    const buffer = Buffer.alloc(65536);
    let served = 0;
    say({ ready: true });
    for (;;) {
      const count = readSync(3, buffer);
      if (count === 0) process.exit(0);
      const request = JSON.parse(buffer.toString('utf8', 0, count));
      served += 1;
      ${answer}
    }`;
}

const hang = 'begin(); sleep(60_000);';

let prober: Prober | undefined;
afterEach(() => prober?.close());

/** A prober whose probes run a script. */
function proberOf(answer: string, options: Partial<ProberOptions> = {}): Prober {
  prober = new Prober({ command: { file: process.execPath, args: ['-e', probeOf(answer)] }, ...options });
  return prober;
}

function request(path = '/mnt/a'): ProbeRequest {
  return {
    path,
    checkType: 'canary',
    canaryFile: 'c',
    canaryContent: undefined,
    minEntries: 0,
    fsType: undefined,
    writable: false,
  };
}

describe('Prober', () => {
  it('garbage is collected after a thousand checks, however soon', async () => {
    const prober = proberOf('begin(); pass();');
    for (let count = 1; count < 1000; count += 1) await prober.check(request(), 5000);
    expect(collectGarbage).not.toHaveBeenCalled();
    await prober.check(request(), 5000);
    expect(collectGarbage).toHaveBeenCalledTimes(1);
  });

  it('a check returns the probe’s verdict', async () => {
    expect(await proberOf('begin(); pass();').check(request(), 5000)).toEqual({
      kind: 'passed',
      durationMs: 1.5,
      mount: undefined,
    });
    const failed = 'begin(); say({ passed: false, durationMs: 2, reason: "stale", error: "old" });';
    expect(await proberOf(failed).check(request(), 5000)).toMatchObject({
      kind: 'failed',
      reason: 'stale',
      error: 'old',
    });
  });

  it('the whole request is sent to a probe in a clean environment', async () => {
    const answer = `begin();
      if (request.path === '/mnt/a' && request.canaryFile === 'c' && process.env.PATH === undefined) pass();`;
    expect((await proberOf(answer).check(request(), 5000)).kind).toBe('passed');
  });

  it('one probe is reused for consecutive checks', async () => {
    const kept = proberOf('begin(); pass({ durationMs: process.pid });');
    const pids = new Set<unknown>();
    for (let check = 0; check < 20; check += 1) {
      const outcome = await kept.check(request(`/mnt/${check}`), 5000);
      pids.add(outcome.kind === 'passed' ? outcome.durationMs : outcome);
    }
    expect(pids.size).toBe(1);
  });

  it('one probe does all simultaneous checks if it answers quickly', async () => {
    const quick = proberOf(
      `begin(); const start = Date.now();
      if (request.path.startsWith('/mnt/slow')) sleep(1000);
      while (request.path === '/mnt/computes' && Date.now() - start < 100) ;
      pass({ durationMs: process.pid });`,
    );
    const probesFor = async (paths: readonly string[]) => {
      const outcomes = await Promise.all(paths.map((path) => quick.check(request(path), 5000)));
      return new Set(outcomes.map((outcome) => (outcome.kind === 'passed' ? outcome.durationMs : 0))).size;
    };
    expect(await probesFor(['/mnt/slow/1', '/mnt/slow/2'])).toBe(2);
    // On a busy machine, one check may be late.
    const paths = Array.from({ length: 12 }, (_, index) => `/mnt/${index}`);
    await expect.poll(() => probesFor(paths), { timeout: 5000 }).toBe(1);
    // More processes do not help a check that waits for a processor.
    await expect.poll(() => probesFor(['/mnt/computes', ...paths]), { timeout: 5000 }).toBe(1);
  });

  it('the idle probe takes over after the other one was killed', async () => {
    const answer = 'begin(); if (request.path === "/mnt/hangs") sleep(60_000); sleep(20); pass();';
    const two = proberOf(answer, { startTimeoutMs: 1000 });
    for (let round = 0; round < 4; round += 1) {
      const outcomes = await Promise.all(['/mnt/a', '/mnt/b'].map((path) => two.check(request(path), 5000)));
      expect(outcomes.map(({ kind }) => kind)).toEqual(['passed', 'passed']);
      expect((await two.check(request('/mnt/hangs'), 100)).kind).toBe('failed');
    }
  });

  it('a probe that reports its last check is replaced', async () => {
    const tired = proberOf(
      'begin(); pass({ durationMs: process.pid, last: served === 2 ? true : undefined });',
    );
    const pids: unknown[] = [];
    for (let check = 0; check < 4; check += 1) {
      const outcome = await tired.check(request(), 5000);
      pids.push(outcome.kind === 'passed' ? outcome.durationMs : outcome);
    }
    expect(new Set(pids).size).toBe(2);
    expect(pids[0]).toBe(pids[1]);
    expect(pids[2]).toBe(pids[3]);
  });

  it('no more than two probes are kept after many were needed', async () => {
    const busy = proberOf('begin(); sleep(100); pass({ durationMs: process.pid });');
    const paths = Array.from({ length: 12 }, (_, index) => `/mnt/${index}`);
    const outcomes = await Promise.all(paths.map((path) => busy.check(request(path), 5000)));
    const pids = new Set(outcomes.map((outcome) => (outcome.kind === 'passed' ? outcome.durationMs : 0)));
    expect(pids.size).toBeGreaterThan(2);
    const isAlive = (pid: number): boolean => {
      try {
        process.kill(pid, 0);
        return true;
      } catch {
        return false;
      }
    };
    await expect.poll(() => [...pids].filter((pid) => isAlive(pid ?? 0)).length).toBeLessThanOrEqual(2);
  });

  it.each([
    ['exits with a code', 'process.exit(3)', /exited with 3 without a verdict/],
    [
      'dies by a signal',
      'process.kill(process.pid, "SIGKILL"); sleep(1000);',
      /killed by SIGKILL without a verdict/,
    ],
    ['exits after it began', 'begin(); process.exit(0)', /exited with 0 without a verdict/],
    ['writes nonsense', 'writeSync(3, "a\\nb\\n")', /sent invalid output/],
    ['gives its verdict before it begins', 'pass()', /sent invalid output/],
    ['floods its output', 'writeSync(3, "x".repeat(70_000)); sleep(5000);', /sent invalid output/],
  ])('a check is inconclusive if the probe %s', async (_, answer, error) => {
    expect(await proberOf(answer).check(request(), 5000)).toEqual({
      kind: 'inconclusive',
      error: expect.stringMatching(error),
    });
  });

  it('all waiting checks are inconclusive if the probe cannot be started', async () => {
    prober = new Prober({ command: { file: '/nowhere/probe', args: [] } });
    const outcomes = await Promise.all(
      ['/mnt/a', '/mnt/b', '/mnt/c'].map((path) => prober?.check(request(path), 5000)),
    );
    for (const outcome of outcomes) {
      expect(outcome).toEqual({ kind: 'inconclusive', error: expect.stringContaining('ENOENT') });
    }
    expect(prober.isHung(request())).toBe(false);
  });

  it('a check is inconclusive if no probe becomes ready in time', async () => {
    prober = new Prober({
      command: { file: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] },
      startTimeoutMs: 300,
    });
    expect(await prober.check(request(), 5000)).toEqual({
      kind: 'inconclusive',
      error: expect.stringMatching(/was (not )?ready within 300 ms/),
    });
  });

  it('no probe is started beside another one without memory for it, but one is as soon as there is some', async () => {
    const MiB = 1024 * 1024;
    let used = 54 * MiB;
    const short = proberOf(`begin(); if (request.path === '/good') pass(); else sleep(60_000);`, {
      startTimeoutMs: 1500,
      memoryUse: () => ({ used, limit: 64 * MiB }),
    });
    const bad = short.check(request('/a'), 20_000);
    expect(await short.check(request('/good'), 5000)).toEqual({
      kind: 'inconclusive',
      error:
        'no probe process was ready, and there is no memory for another one: 54 of 64 MiB of memory are used',
    });
    used = 53 * MiB;
    expect((await short.check(request('/good'), 5000)).kind).toBe('passed');
    short.close();
    expect(await bad).toEqual({ kind: 'cancelled' });
  });

  it('no probe at all is started beyond the memory limit', async () => {
    const MiB = 1024 * 1024;
    const full = proberOf('begin(); pass();', {
      startTimeoutMs: 300,
      memoryUse: () => ({ used: 58 * MiB, limit: 64 * MiB }),
    });
    expect(await full.check(request(), 5000)).toEqual({
      kind: 'inconclusive',
      error: expect.stringContaining('58 of 64 MiB of memory are used'),
    });
  });

  it('a check is inconclusive if an idle probe does not begin in time', async () => {
    const outcome = await proberOf('sleep(5000)', { startTimeoutMs: 1000 }).check(request(), 200);
    expect(outcome).toEqual({
      kind: 'inconclusive',
      error: expect.stringContaining('was not ready within 1000 ms'),
    });
  });

  it('a probe that works for too long is killed, and the check is a timeout', async () => {
    const slow = proberOf(hang);
    expect(await slow.check(request(), 200)).toMatchObject({
      kind: 'failed',
      reason: 'timeout',
      durationMs: expect.any(Number),
    });
    await expect.poll(() => slow.hungCount).toBe(0);
  });

  it('the time limit starts when the probe begins, even if it begins late', async () => {
    const late = proberOf('sleep(400); begin(); sleep(100); pass();');
    expect((await late.check(request(), 300)).kind).toBe('passed');
  });

  it('a mount does not count as hung in the moment after its probe was killed', async () => {
    const slow = proberOf(hang);
    const twins = await Promise.all([slow.check(request(), 200), slow.check(request(), 200)]);
    const after = await slow.check(request(), 200);
    for (const outcome of [...twins, after]) expect(outcome).toMatchObject({ reason: 'timeout' });
    expect(slow.isHung(request())).toBe(false);
  });

  it('the same path is checked sequentially, different paths in parallel', async () => {
    const slow = proberOf('begin(); sleep(300); pass();');
    const start = performance.now();
    const outcomes = await Promise.all([
      slow.check(request(), 5000),
      slow.check(request(), 5000),
      slow.check(request('/mnt/b'), 5000),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['passed', 'passed', 'passed']);
    expect(performance.now() - start).toBeGreaterThanOrEqual(600);
  });

  it('other mounts are checked while some hang', async () => {
    const mixed = proberOf(`begin(); if (request.path === '/good') pass(); else sleep(60_000);`);
    const bad = ['/a', '/b', '/c', '/d', '/e', '/f'].map((path) => mixed.check(request(path), 20_000));
    const start = performance.now();
    expect((await mixed.check(request('/good'), 5000)).kind).toBe('passed');
    expect(performance.now() - start).toBeLessThan(5000);
    mixed.close();
    for (const outcome of await Promise.all(bad)) expect(outcome).toEqual({ kind: 'cancelled' });
  });

  it('two check types of one path run in parallel if one only reads the mount table', async () => {
    const slow = proberOf(`begin(); if (request.checkType === 'mountpoint') pass(); else sleep(60_000);`);
    const canary = slow.check(request(), 10_000);
    expect((await slow.check({ ...request(), checkType: 'mountpoint' }, 5000)).kind).toBe('passed');
    slow.close();
    expect((await canary).kind).toBe('cancelled');
  });

  it('a closed prober cancels running and new checks', async () => {
    const slow = proberOf(hang);
    const running = slow.check(request(), 60_000);
    slow.close();
    expect(await running).toEqual({ kind: 'cancelled' });
    expect(await slow.check(request('/mnt/b'), 1000)).toEqual({ kind: 'cancelled' });
  });
});
