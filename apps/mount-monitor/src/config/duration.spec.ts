import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('parseDuration', () => {
  it.each([
    ['30s', 30_000],
    ['1m30s', 90_000],
    ['250ms', 250],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['1.s', 1000],
    ['100us', 0.1],
    ['100µs', 0.1],
    ['100μs', 0.1],
    ['1ns', 0.000001],
    ['0', 0],
    ['+5s', 5000],
    ['-5s', -5000],
    ['-0', 0],
    ['1h1m1s1ms', 3_661_001],
    ['1s1s', 2000],
    ['1.1s', 1100],
  ])('parseDuration reads %s as %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each([
    '',
    '5',
    's',
    '5 s',
    ' 5s',
    '5s ',
    '1d',
    '5S',
    '.s',
    '1.2.3s',
    '1e3s',
    '--5s',
    '+',
    '-',
    'NaN',
    '3000000h',
    '5s5',
  ])('parseDuration rejects %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('parseDuration never throws and always returns a finite number or undefined', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-+]?[0-9.hmsnuµ]{0,12}$/)), (text) => {
        const milliseconds = parseDuration(text);
        expect(milliseconds === undefined || Number.isFinite(milliseconds)).toBe(true);
      }),
    );
  });

  it('parseDuration parses what formatDuration writes back to the same value', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 10 }), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
      }),
    );
  });

  it('parseDuration adds up the parts in any order', () => {
    const unit = fc.constantFrom(
      ['h', 3_600_000] as const,
      ['m', 60_000] as const,
      ['s', 1000] as const,
      ['ms', 1] as const,
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(99), unit), { minLength: 1 }), (parts) => {
        const text = parts.map(([count, [name]]) => `${count}${name}`).join('');
        const total = parts.reduce((sum, [count, [, size]]) => sum + count * size, 0);
        expect(parseDuration(text)).toBe(total);
      }),
    );
  });
});
