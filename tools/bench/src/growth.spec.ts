import { describe, expect, it } from 'vitest';
import type { BenchContext } from './bench.ts';
import { bendOf, runGrowth } from './growth.ts';

const context: BenchContext = {
  workspaceRoot: '/none',
  scratch: '/none',
  progress: () => undefined,
  engine: () => Promise.reject(new Error('no engine')),
};

const at = (point: number, median: number) => ({ point, summary: { median, min: median, max: median } });

describe('bendOf', () => {
  it.each([
    { name: 'a straight line with a fixed cost', points: [at(1, 110), at(2, 120), at(8, 180)], bend: 1 },
    { name: 'quadratic growth', points: [at(0, 0), at(1, 1), at(2, 4)], bend: 1.5 },
    { name: 'growth that flattens', points: [at(0, 0), at(1, 3), at(2, 4)], bend: 0.5 },
  ])('bendOf computes the bend of $name', ({ points, bend }) => {
    expect(bendOf(points)).toBeCloseTo(bend);
  });
});

describe('runGrowth', () => {
  it('runGrowth measures each point three times after an uncounted warm-up, and closes it', async () => {
    let time = 0;
    const events: string[] = [];
    const growth = {
      name: 'fake',
      title: 'Fake',
      description: 'work',
      axis: 'things',
      points: [1, 4],
      prepare: async (_: BenchContext, point: number) => ({
        run: async () => {
          time += point * 10;
          events.push(`run ${point}`);
          return { peakBytes: point };
        },
        close: async () => void events.push(`close ${point}`),
      }),
    };
    const { points, bend } = await runGrowth(growth, context, () => time);
    expect(events).toEqual([
      ...Array<string>(4).fill('run 1'),
      'close 1',
      ...Array<string>(4).fill('run 4'),
      'close 4',
    ]);
    expect(points.map(({ values, peakBytes }) => [values, peakBytes])).toEqual([
      [[10, 10, 10], 1],
      [[40, 40, 40], 4],
    ]);
    expect(bend).toBeCloseTo(1);
  });
});
