import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideRetry, isTransientError, isTransientStatus, type RetryLimits, retryAfterMs } from './retry.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const LIMITS: RetryLimits = {
  tries: 4,
  totalMs: 60_000,
  firstDelayMs: 100,
  longestDelayMs: 10_000,
  operationMs: 1000,
};

describe('isTransientStatus', () => {
  it('isTransientStatus includes 408, 425, 429 and the transient 5xx codes, and nothing else', () => {
    const transient = Array.from({ length: 500 }, (_, index) => index + 100).filter(isTransientStatus);
    expect(transient).toEqual([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530]);
  });
});

describe('isTransientError', () => {
  const failing = (code: string, cause?: unknown): Error =>
    Object.assign(new Error(code, { cause }), { code });
  it.each([
    ['a refused connection', failing('ECONNREFUSED'), true],
    ['a broken connection', failing('ECONNRESET'), true],
    ['a nested error', new Error('fetch failed', { cause: failing('ECONNRESET') }), true],
    ['one of several errors', new AggregateError([failing('EACCES'), failing('ECONNREFUSED')]), true],
    ['an unknown host', failing('ENOTFOUND'), false],
    ['a certificate', failing('SELF_SIGNED_CERT_IN_CHAIN'), false],
    ['a defect', new TypeError('x is undefined'), false],
    ['no error', 'ECONNRESET', false],
  ])('isTransientError classifies %s: %#', (_, error, expected) => {
    expect(isTransientError(error)).toBe(expected);
  });
});

describe('retryAfterMs', () => {
  it.each([
    ['120', 120_000],
    [' 0 ', 0],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Thu, 01 Jan 2015 00:00:30 GMT', 0],
    [undefined, undefined],
    ['', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['99999999999999', undefined],
    ['1767225630', 30_000],
    ['880.092µs', undefined],
  ])('retryAfterMs of %j is %s', (header, expected) => {
    expect(retryAfterMs(header, NOW)).toBe(expected);
  });
});

describe('decideRetry', () => {
  const decide = (tries: number, askedMs?: number, elapsed = 0) =>
    decideRetry({ tries, startedAt: NOW - elapsed, askedMs }, LIMITS, { now: () => NOW, random: () => 0 });

  it('doubles the wait, up to the maximum', () => {
    const waits = [1, 2, 3].map((tries) => decide(tries));
    expect(waits).toEqual([50, 100, 200].map((delayMs) => ({ next: 'wait', delayMs })));
  });

  it('waits as long as the server asks', () => {
    expect(decide(1, 20_000)).toEqual({ next: 'wait', delayMs: 20_000 });
  });

  it('gives up after the maximum number of tries', () => {
    expect(decide(4)).toEqual({ next: 'give-up', because: 'after 4 tries' });
  });

  it('gives up at once if waiting would exceed the total', () => {
    expect(decide(1, 61_000)).toMatchObject({
      next: 'give-up',
      because: expect.stringContaining('limit of 60 s'),
    });
    expect(decide(2, 1000, 59_500)).toMatchObject({ next: 'give-up' });
  });

  it('never waits past its limits, whatever the server asks for', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 10 }),
        fc.option(fc.nat(), { nil: undefined }),
        fc.nat({ max: 100_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (tries, askedMs, elapsed, random) => {
          const decision = decideRetry({ tries: tries + 1, startedAt: NOW - elapsed, askedMs }, LIMITS, {
            now: () => NOW,
            random: () => random,
          });
          if (decision.next === 'wait') {
            expect(decision.delayMs).toBeGreaterThanOrEqual(Math.max(50, askedMs ?? 0));
            expect(elapsed + decision.delayMs).toBeLessThanOrEqual(LIMITS.totalMs);
          }
        },
      ),
    );
  });
});
