import { describe, expect, it } from 'vitest';
import type { Bench, BenchContext, Pair, Sample } from './bench.ts';
import { runBench } from './runner.ts';

const lines: string[] = [];
const context: BenchContext = {
  workspaceRoot: '/none',
  scratch: '/none',
  progress: (line) => void lines.push(line),
  engine: () => Promise.reject(new Error('no engine')),
};

/** A clock that advances only when a subject takes time. */
class FakeClock {
  time = 1000;
  readonly now = () => this.time;
}

function bench(pair: Pair, fields: Partial<Bench> = {}): Bench {
  return {
    name: 'fake',
    title: 'Fake',
    ours: 'ours',
    theirs: 'theirs',
    unit: 'ms',
    target: { kind: 'at-most', ratio: 1 },
    prepare: async () => pair,
    ...fields,
  };
}

function subject(
  clock: FakeClock,
  order: string[],
  name: string,
  times: readonly number[],
  sample: Sample = {},
) {
  let run = 0;
  return {
    before: async () => {
      clock.time += 500;
    },
    run: async () => {
      order.push(name);
      clock.time += times[run++] ?? Number.NaN;
      return sample;
    },
  };
}

describe('runBench', () => {
  it('runBench runs the sides in turn, after an uncounted warm-up pair', async () => {
    const clock = new FakeClock();
    const order: string[] = [];
    const result = await runBench(
      bench({
        ours: subject(clock, order, 'A', [99, 10, 30, 20]),
        theirs: subject(clock, order, 'B', [77, 20, 10, 40]),
      }),
      context,
      { runs: 3, now: clock.now },
    );
    expect(order.join('')).toBe('ABABABAB');
    expect(result.ours.values).toEqual([10, 30, 20]);
    expect(result.theirs.values).toEqual([20, 10, 40]);
    expect(result.ratios).toEqual([0.5, 3, 0.5]);
    expect(result.ratio).toEqual({ median: 0.5, min: 0.5, max: 3 });
    expect(result.met).toBe(true);
    expect(lines.at(-1)).toBe('fake: pair 3 of 3: 20 against 40 ms');
  });

  it('runBench reports a target as missed if the median ratio misses it', async () => {
    const clock = new FakeClock();
    const result = await runBench(
      bench({ ours: subject(clock, [], 'A', [1, 3]), theirs: subject(clock, [], 'B', [1, 2]) }),
      context,
      { runs: 1, now: clock.now },
    );
    expect(result.met).toBe(false);
  });

  it('runBench uses the value of a subject that measures something other than time, and the peak memory', async () => {
    const clock = new FakeClock();
    const sample = { value: 4096, peakBytes: 7 };
    const result = await runBench(
      bench(
        {
          ours: subject(clock, [], 'A', [1, 1], sample),
          theirs: subject(clock, [], 'B', [1, 1], { value: 8192 }),
        },
        { unit: 'bytes' },
      ),
      context,
      { runs: 1, now: clock.now },
    );
    expect(result.ours).toMatchObject({ values: [4096], peakBytes: 7 });
    expect(result.theirs.peakBytes).toBeUndefined();
    expect(result.ratio.median).toBe(0.5);
  });

  it('runBench closes the pair when a side fails, and fails with its error', async () => {
    let closed = 0;
    const failing = bench({
      ours: { run: async () => Promise.reject(new Error('broken')) },
      theirs: { run: async () => ({}) },
      close: async () => {
        closed += 1;
      },
    });
    await expect(runBench(failing, context, { runs: 1, now: () => 0 })).rejects.toThrow('broken');
    expect(closed).toBe(1);
  });
});
