import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../config/config.ts';
import { createLogger } from '../log.ts';
import type { ProbeRequest } from '../probe/protocol.ts';
import { type Checker, Monitor } from './monitor.ts';
import type { CheckOutcome } from './outcome.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const passed: CheckOutcome = { kind: 'passed', durationMs: 1, mount: undefined };
const failed: CheckOutcome = { kind: 'failed', reason: 'io', error: 'bad', durationMs: 1, mount: undefined };

/** Returns a given outcome after a given number of ms, and records when it was called. */
class FakeProber implements Checker {
  readonly hungCount = 0;
  readonly asked: { readonly path: string; readonly at: number }[] = [];
  outcome: (path: string) => CheckOutcome = () => passed;
  takesMs: (path: string) => number = () => 0;

  async check({ path }: ProbeRequest): Promise<CheckOutcome> {
    this.asked.push({ path, at: performance.now() });
    const milliseconds = this.takesMs(path);
    if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
    return this.outcome(path);
  }

  isHung(): boolean {
    return false;
  }

  close(): void {
    this.outcome = () => ({ kind: 'cancelled' });
  }

  times(path: string): readonly number[] {
    return this.asked.filter((asked) => asked.path === path).map(({ at }) => at);
  }
}

function settings(content: Readonly<Record<string, unknown>>) {
  const text = JSON.stringify({ checkInterval: '10s', readTimeout: '2s', ...content });
  return parseConfig(text, 'c.json', { workingDirectory: '/' }).config;
}

function monitorOf(content: Readonly<Record<string, unknown>>, random: () => number = () => 0.5) {
  const prober = new FakeProber();
  const unhealthy: string[][] = [];
  const monitor = new Monitor(settings(content), {
    prober,
    log: createLogger('error', 'json', () => undefined),
    random,
    onUnhealthyChange: (mounts) => unhealthy.push(mounts.map(({ config }) => config.path)),
  });
  return { monitor, prober, unhealthy };
}

function statuses(monitor: Monitor): readonly string[] {
  return monitor.snapshot().map(({ state }) => state.status);
}

describe('Monitor', () => {
  it('every mount is checked immediately, then at its interval', async () => {
    const { monitor, prober } = monitorOf({ mounts: [{ path: '/a' }, { path: '/b' }] });
    const start = performance.now();
    monitor.start();
    await vi.advanceTimersByTimeAsync(30_500);
    expect(prober.times('/a').map((at) => at - start)).toEqual([0, 10_000, 20_000, 30_000]);
    expect(prober.times('/b')).toEqual(prober.times('/a'));
    monitor.close();
  });

  it('a slow mount does not delay the others', async () => {
    const { monitor, prober } = monitorOf({ mounts: [{ path: '/slow' }, { path: '/quick' }] });
    prober.takesMs = (path) => (path === '/slow' ? 9500 : 0);
    const start = performance.now();
    monitor.start();
    await vi.advanceTimersByTimeAsync(20_500);
    expect(prober.times('/quick').map((at) => at - start)).toEqual([0, 10_000, 20_000]);
    expect(prober.times('/slow').map((at) => at - start)).toEqual([0, 10_000, 20_000]);
    monitor.close();
  });

  it('each check stays within 10% of the interval and never overlaps another one of its mount', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }),
        fc.nat(10_900),
        async (numbers, takes) => {
          let index = 0;
          const { monitor, prober } = monitorOf(
            { mounts: [{ path: '/a' }] },
            () => numbers[index++ % numbers.length] ?? 0,
          );
          prober.takesMs = () => takes;
          monitor.start();
          await vi.advanceTimersByTimeAsync(60_000);
          monitor.close();
          const times = prober.times('/a');
          for (const [place, at] of times.slice(1).entries()) {
            const gap = at - (times[place] ?? 0);
            expect(gap).toBeGreaterThanOrEqual(Math.max(8999, takes));
            expect(gap).toBeLessThanOrEqual(11_001);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('checks in the same tenth of the interval start together', async () => {
    const random = fc.sample(fc.double({ min: 0, max: 1, noNaN: true }), { numRuns: 400, seed: 7 });
    let index = 0;
    const mounts = Array.from({ length: 30 }, (_, number) => ({ path: `/${number}` }));
    const { monitor, prober } = monitorOf({ mounts }, () => random[index++ % random.length] ?? 0);
    monitor.start();
    const start = performance.now();
    await vi.advanceTimersByTimeAsync(100_000);
    monitor.close();
    const moments = new Map<number, number>();
    for (const { at } of prober.asked) {
      const moment = Math.round(at - start);
      moments.set(moment, (moments.get(moment) ?? 0) + 1);
    }
    expect(prober.asked.length).toBeGreaterThanOrEqual(30 * 9);
    for (const moment of moments.keys()) expect(moment % 1000).toBe(0);
    // They are still spread out: the moments in a cycle differ from mount to mount.
    expect(moments.size).toBeGreaterThan(20);
    // The first checks all start at once, and the next ones have three moments for the 30 of them.
    moments.delete(0);
    expect(Math.max(...moments.values())).toBeLessThanOrEqual(10);
    expect((prober.asked.length - 30) / moments.size).toBeGreaterThan(5);
  });

  it('the check of a failing mount starts at a random moment instead of with the others', async () => {
    const numbers = [0.5, 0];
    let index = 0;
    const { monitor, prober } = monitorOf({ mounts: [{ path: '/good' }, { path: '/bad' }] }, () => {
      return numbers[index++ % numbers.length] ?? 0;
    });
    prober.outcome = (path) => (path === '/bad' ? failed : passed);
    const start = performance.now();
    monitor.start();
    await vi.advanceTimersByTimeAsync(10_500);
    expect(prober.times('/good').map((at) => at - start)).toEqual([0, 10_000]);
    expect(prober.times('/bad').map((at) => at - start)).toEqual([0, 9000]);
    monitor.close();
  });

  it('a check that is cancelled or inconclusive is ignored', async () => {
    const { monitor, prober } = monitorOf({ mounts: [{ path: '/a', failureThreshold: 1 }] });
    prober.outcome = () => ({ kind: 'inconclusive', error: 'no process' });
    monitor.start();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(monitor.snapshot()[0]).toMatchObject({
      state: { status: 'unknown', failures: 0 },
      lastCheck: undefined,
      history: '',
    });
    prober.outcome = () => ({ kind: 'cancelled' });
    await vi.advanceTimersByTimeAsync(15_000);
    expect(statuses(monitor)).toEqual(['unknown']);
    monitor.close();
  });

  it('a mount whose checks have not completed for three intervals is stalled', async () => {
    const { monitor, prober } = monitorOf({ mounts: [{ path: '/a' }, { path: '/b' }] });
    prober.outcome = (path) => (path === '/b' ? { kind: 'inconclusive', error: 'no process' } : failed);
    monitor.start();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(monitor.stalled()).toEqual([]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(monitor.stalled().map(({ path }) => path)).toEqual(['/b']);
    prober.outcome = () => passed;
    await vi.advanceTimersByTimeAsync(11_000);
    expect(monitor.stalled()).toEqual([]);
    monitor.close();
  });

  it('all unhealthy mounts are reported whenever they change', async () => {
    const bad = new Set(['/a', '/b']);
    const { monitor, prober, unhealthy } = monitorOf({
      failureThreshold: 1,
      mounts: [{ path: '/a' }, { path: '/b' }],
    });
    prober.outcome = (path) => (bad.has(path) ? failed : passed);
    monitor.start();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(unhealthy.at(-1)).toEqual(['/a', '/b']);
    bad.delete('/a');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(unhealthy.at(-1)).toEqual(['/b']);
    monitor.apply(settings({ mounts: [{ path: '/a' }] }));
    expect(unhealthy.at(-1)).toEqual([]);
    monitor.close();
  });

  it('mounts whose check is unchanged keep their state and schedule, and others are reset', async () => {
    const { monitor, prober } = monitorOf({ mounts: [{ path: '/a' }, { path: '/b' }] });
    const start = performance.now();
    monitor.start();
    await vi.advanceTimersByTimeAsync(5000);
    monitor.apply(
      settings({
        checkInterval: '20s',
        mounts: [
          { path: '/b', checkType: 'directory' },
          { path: '/a', name: 'renamed', failureThreshold: 9 },
        ],
      }),
    );
    expect(statuses(monitor)).toEqual(['unknown', 'healthy']);
    expect(monitor.snapshot()[1]?.config).toMatchObject({ name: 'renamed', failureThreshold: 9 });
    await vi.advanceTimersByTimeAsync(21_500);
    expect(prober.times('/a').map((at) => at - start)).toEqual([0, 20_000]);
    // Not 25,000: that is between two slots of a tenth of the interval.
    expect(prober.times('/b').map((at) => at - start)).toEqual([0, 5000, 26_000]);
    monitor.close();
  });

  it('removed mounts are no longer checked, even if one was listed twice', async () => {
    const { monitor, prober } = monitorOf({ mounts: [{ path: '/a' }, { path: '/a', name: 'twin' }] });
    monitor.start();
    await vi.advanceTimersByTimeAsync(1000);
    monitor.apply(settings({ mounts: [{ path: '/b' }] }));
    await vi.advanceTimersByTimeAsync(50_000);
    expect(prober.times('/a')).toHaveLength(2);
    monitor.close();
  });

  it('a closed monitor checks nothing', async () => {
    const { monitor, prober } = monitorOf({ mounts: [{ path: '/a' }] });
    monitor.start();
    await vi.advanceTimersByTimeAsync(1000);
    monitor.close();
    await vi.advanceTimersByTimeAsync(100_000);
    expect(prober.asked).toHaveLength(1);
  });
});
