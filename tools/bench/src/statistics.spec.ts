import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMet, median, pairRatios, summarize } from './statistics.ts';

describe('median', () => {
  it.each([
    { name: 'one value', values: [7], expected: 7 },
    { name: 'an odd count', values: [9, 1, 5], expected: 5 },
    { name: 'an even count', values: [10, 1, 2, 4], expected: 3 },
    { name: 'numbers, not text', values: [10, 9, 100], expected: 10 },
  ])('median returns the middle of $name', ({ values, expected }) => {
    expect(median(values)).toBe(expected);
  });

  it('median refuses an empty list', () => {
    expect(() => median([])).toThrow(RangeError);
  });

  it('summarize returns a median between the smallest and the largest value, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const { median: middle, min, max } = summarize(values);
        expect(middle).toBeGreaterThanOrEqual(min);
        expect(middle).toBeLessThanOrEqual(max);
        expect(median([...values].reverse())).toBe(middle);
      }),
    );
  });
});

describe('pairRatios', () => {
  it('pairRatios divides each of our values by its counterpart', () => {
    expect(pairRatios([10, 30], [20, 10])).toEqual([0.5, 3]);
  });

  it.each([
    { name: 'different counts', ours: [1, 2], theirs: [1] },
    { name: 'a counterpart of zero', ours: [1], theirs: [0] },
    { name: 'a counterpart that is not a number', ours: [1], theirs: [Number.NaN] },
  ])('pairRatios refuses $name', ({ ours, theirs }) => {
    expect(() => pairRatios(ours, theirs)).toThrow(RangeError);
  });
});

describe('isMet', () => {
  it.each([
    { target: { kind: 'at-most', ratio: 1.2 }, ratio: 1.2, met: true },
    { target: { kind: 'at-most', ratio: 1.2 }, ratio: 1.21, met: false },
    { target: { kind: 'at-least', ratio: 0.8 }, ratio: 0.8, met: true },
    { target: { kind: 'at-least', ratio: 0.8 }, ratio: 0.79, met: false },
    { target: { kind: 'at-most', ratio: 1 }, ratio: Number.NaN, met: false },
    { target: { kind: 'report' }, ratio: 99, met: true },
  ] as const)(
    'isMet is $met for a ratio of $ratio and the target $target.kind $target.ratio',
    ({ target, ratio, met }) => {
      expect(isMet(target, ratio)).toBe(met);
    },
  );

  it('isMet also checks our own median against its limit', () => {
    expect(isMet({ kind: 'report' }, 1, 16, 16)).toBe(true);
    expect(isMet({ kind: 'report' }, 1, 16, 17)).toBe(false);
  });
});
