import { afterEach, describe, expect, it } from 'vitest';
import type { ProbeRequest } from '../probe/protocol.ts';
import { Prober, type ProberOptions } from './prober.ts';

const begin = `fs.writeSync(3, '{"begin":true}\\n');`;
const passed = `fs.writeSync(3, '{"passed":true,"durationMs":1.5}\\n');`;

let prober: Prober | undefined;
afterEach(() => prober?.close());

/** A prober whose probe is a script. */
function proberOf(script: string, options: Partial<ProberOptions> = {}): Prober {
  prober = new Prober({ command: { file: process.execPath, args: ['-e', script] }, ...options });
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
  };
}

describe('Prober', () => {
  it('passes on what the probe says', async () => {
    expect(await proberOf(begin + passed).check(request(), 5000)).toEqual({
      kind: 'passed',
      durationMs: 1.5,
      mount: undefined,
    });
    const failed = `fs.writeSync(3, '{"passed":false,"durationMs":2,"reason":"stale","error":"old"}\\n');`;
    expect(await proberOf(begin + failed).check(request(), 5000)).toMatchObject({
      kind: 'failed',
      reason: 'stale',
      error: 'old',
    });
  });

  it('gives the request as the last argument, in an empty environment', async () => {
    const script = `${begin}
      const ok = JSON.parse(process.argv.at(-1)).path === '/mnt/a' && process.env.PATH === undefined;
      if (ok) { ${passed} }`;
    expect((await proberOf(script).check(request(), 5000)).kind).toBe('passed');
  });

  it.each([
    ['exits with a code', 'process.exit(3)', /exited with 3 without a verdict/],
    ['dies by a signal', 'process.kill(process.pid, "SIGKILL")', /ended by SIGKILL without a verdict/],
    ['says nothing', '', /exited with 0 without a verdict/],
    ['talks nonsense', 'fs.writeSync(3, "a\\nb\\n")', /without a verdict/],
    ['exits with a code after its verdict', `${begin}${passed}process.exitCode = 1`, /exited with 1/],
    ['floods its output', 'fs.writeSync(3, "x".repeat(1e6))', /without a verdict/],
  ])('is inconclusive when the probe %s', async (_, script, error) => {
    expect(await proberOf(script).check(request(), 5000)).toEqual({
      kind: 'inconclusive',
      error: expect.stringMatching(error),
    });
  });

  it('is inconclusive when the probe cannot be started', async () => {
    prober = new Prober({ command: { file: '/nowhere/probe', args: [] } });
    expect(await prober.check(request(), 5000)).toEqual({
      kind: 'inconclusive',
      error: expect.stringContaining('ENOENT'),
    });
    expect(prober.isHung(request())).toBe(false);
  });

  it('is inconclusive when the probe does not get to work in time', async () => {
    const outcome = await proberOf('setInterval(() => {}, 1000)', { startTimeoutMs: 300 }).check(
      request(),
      5000,
    );
    expect(outcome).toEqual({
      kind: 'inconclusive',
      error: expect.stringContaining('did not get to work within 300 ms'),
    });
  });

  it('is a timeout when the probe is at work for too long, and kills it', async () => {
    const slow = proberOf(`${begin}setInterval(() => {}, 1000)`);
    expect(await slow.check(request(), 200)).toMatchObject({
      kind: 'failed',
      reason: 'timeout',
      durationMs: expect.any(Number),
    });
    await expect.poll(() => slow.hungCount).toBe(0);
  });

  it('fails as hung, without a further process, until the killed probe has ended', async () => {
    const slow = proberOf(`${begin}setInterval(() => {}, 1000)`);
    expect(await slow.check(request(), 200)).toMatchObject({ reason: 'timeout' });
    // The process was killed this very moment, so its end is not known yet.
    expect(slow.isHung(request())).toBe(true);
    expect(await slow.check(request(), 200)).toMatchObject({ reason: 'hung', durationMs: undefined });
    await expect.poll(() => slow.isHung(request())).toBe(false);
    expect(await slow.check(request(), 200)).toMatchObject({ reason: 'timeout' });
  });

  it('does not refuse a look at the mount table while a probe of the same path hangs', async () => {
    const slow = proberOf(`${begin}setInterval(() => {}, 1000)`);
    expect(await slow.check(request(), 200)).toMatchObject({ reason: 'timeout' });
    expect(slow.isHung(request())).toBe(true);
    const table: ProbeRequest = { ...request(), checkType: 'mountpoint' };
    expect(slow.isHung(table)).toBe(false);
    expect(await slow.check(table, 200)).toMatchObject({ reason: 'timeout' });
  });

  it('checks one path one after the other, and different ones at the same time', async () => {
    const slow = proberOf(`${begin}setTimeout(() => { ${passed} }, 300)`);
    const start = performance.now();
    const outcomes = await Promise.all([
      slow.check(request(), 5000),
      slow.check(request(), 5000),
      slow.check(request('/mnt/b'), 5000),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['passed', 'passed', 'passed']);
    expect(performance.now() - start).toBeGreaterThanOrEqual(600);
  });

  it('lets no mount that hangs keep the others from starting', async () => {
    const slow = proberOf(`${begin}setInterval(() => {}, 1000)`, { startsAtOnce: 1 });
    const paths = ['/a', '/b', '/c', '/d'];
    const start = performance.now();
    await Promise.all(paths.map((path) => slow.check(request(path), 2000)));
    // One after the other would take four times the timeout.
    expect(performance.now() - start).toBeLessThan(6000);
  });

  it('once closed cancels what runs, and what comes', async () => {
    const slow = proberOf(`${begin}setInterval(() => {}, 1000)`);
    const running = slow.check(request(), 60_000);
    slow.close();
    expect(await running).toEqual({ kind: 'cancelled' });
    expect(await slow.check(request('/mnt/b'), 1000)).toEqual({ kind: 'cancelled' });
  });
});
