import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CheckVerdict, type HealthState, initialState, reduce, type Thresholds } from './state.ts';

const pass: CheckVerdict = { passed: true };
const fail: CheckVerdict = { passed: false, reason: 'io', error: 'bad' };
const thresholds: Thresholds = { failure: 3, success: 1 };

function run(verdicts: readonly CheckVerdict[], limits: Thresholds = thresholds): HealthState {
  return verdicts.reduce((state, verdict) => reduce(state, verdict, limits).state, initialState);
}

describe('reduce', () => {
  it.each([
    ['nothing', [], 'unknown', 0],
    ['a pass', [pass], 'healthy', 0],
    ['a failure', [fail], 'degraded', 1],
    ['failures up to the threshold', [pass, fail, fail, fail], 'unhealthy', 3],
    ['failures broken by a pass', [fail, fail, pass, fail], 'degraded', 1],
    ['recovery', [fail, fail, fail, pass], 'healthy', 0],
  ] as const)('a mount reaches the correct status after %s', (_, verdicts, status, failures) => {
    expect(run(verdicts)).toMatchObject({ status, failures });
  });

  it.each([
    [[], pass, { from: 'unknown', to: 'healthy', trigger: 'check_passed' }],
    [[], fail, { from: 'unknown', to: 'degraded', trigger: 'check_failed' }],
    [[pass], fail, { from: 'healthy', to: 'degraded', trigger: 'check_failed' }],
    [[fail], pass, { from: 'degraded', to: 'healthy', trigger: 'check_passed' }],
    [[fail, fail], fail, { from: 'degraded', to: 'unhealthy', trigger: 'check_failed' }],
    [[fail, fail, fail], pass, { from: 'unhealthy', to: 'healthy', trigger: 'recovered' }],
    [[pass], pass, undefined],
    [[fail], fail, undefined],
  ] as const)('after %j, a verdict reports its transition', (before, verdict, transition) => {
    expect(reduce(run(before), verdict, thresholds).transition).toEqual(transition);
  });

  it('recovery takes as many consecutive passes as the success threshold', () => {
    const limits = { failure: 1, success: 3 };
    expect(run([fail, pass, pass], limits).status).toBe('unhealthy');
    expect(run([fail, pass, pass, pass], limits).status).toBe('healthy');
    expect(run([fail, pass, pass, fail, pass, pass], limits).status).toBe('unhealthy');
  });

  it('a mount that fails while recovering stays unhealthy', () => {
    expect(run([fail, fail, fail, pass, fail], { failure: 3, success: 5 })).toMatchObject({
      status: 'unhealthy',
      failures: 1,
    });
  });

  it('one pass makes an unknown mount healthy, regardless of the success threshold', () => {
    expect(run([pass], { failure: 3, success: 9 }).status).toBe('healthy');
  });

  const verdicts = fc.array(fc.constantFrom(pass, fail), { maxLength: 60 });
  const limits = fc.record({
    failure: fc.integer({ min: 1, max: 6 }),
    success: fc.integer({ min: 1, max: 6 }),
  });

  it('a mount is healthy exactly when enough passes end the run, and then has no failures', () => {
    fc.assert(
      fc.property(verdicts, limits, (sequence, threshold) => {
        const state = run(sequence, threshold);
        if (state.status === 'healthy') {
          expect(state).toMatchObject({ failures: 0, failure: undefined });
          expect(sequence.at(-1)).toBe(pass);
        }
        const tail = sequence.length - 1 - sequence.lastIndexOf(fail);
        if (sequence.length > 0 && tail >= threshold.success) expect(state.status).toBe('healthy');
      }),
    );
  });

  it('a mount counts exactly the failures that end the run and is unhealthy at the threshold', () => {
    fc.assert(
      fc.property(verdicts, limits, (sequence, threshold) => {
        const state = run(sequence, threshold);
        const tail = sequence.length - 1 - sequence.lastIndexOf(pass);
        expect(state.failures).toBe(tail);
        if (tail >= threshold.failure) expect(state.status).toBe('unhealthy');
        if (tail > 0) expect(['degraded', 'unhealthy']).toContain(state.status);
      }),
    );
  });

  it('transitions match status changes, and none skips degraded unless the threshold is 1', () => {
    fc.assert(
      fc.property(verdicts, limits, (sequence, threshold) => {
        let state = initialState;
        for (const verdict of sequence) {
          const next = reduce(state, verdict, threshold);
          expect(next.transition !== undefined).toBe(next.state.status !== state.status);
          if (state.status === 'healthy' && next.state.status === 'unhealthy')
            expect(threshold.failure).toBe(1);
          expect(next.state.status).not.toBe('unknown');
          state = next.state;
        }
      }),
    );
  });
});
