import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('a duration', () => {
  it.each([
    [0, '0s'],
    [1, '1ns'],
    [1500, '1.5µs'],
    [1e6, '1ms'],
    [1.5e9, '1.5s'],
    [90e9, '1m30s'],
    [3600e9, '1h0m0s'],
    [3661.000000001e9, '1h1m1.000000001s'],
  ])('a duration of %i ns is formatted as %s', (nanoseconds, text) => {
    expect(formatDuration(nanoseconds)).toBe(text);
  });

  it.each([
    ['1m30s', 90e9],
    ['1.5s', 1.5e9],
    ['1.001s', 1_001_000_000],
    ['0.1h0.1m', 366e9],
    ['.5s1.m', 60.5e9],
    ['2000µs', 2e6],
    ['2000μs', 2e6],
    ['500ms', 5e8],
    ['0', 0],
    ['2h', 7200e9],
  ])('%s is %i ns', (text, nanoseconds) => {
    expect(parseDuration(text)).toBe(nanoseconds);
  });

  it.each(['', '5', '.s', '-5s', '5 s', '5d', '1e9s', '99999h', '0.1ns'])('%j is not a duration', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('a duration is parsed as it was formatted', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 0, max: 4000 }), fc.integer({ min: 0, max: 30 * 24 * 3600e9 })),
        (nanoseconds) => {
          expect(parseDuration(formatDuration(nanoseconds))).toBe(nanoseconds);
        },
      ),
    );
  });
});
