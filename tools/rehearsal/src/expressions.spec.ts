import { describe, expect, it } from 'vitest';
import { evaluate, holds, interpolate, type Scope } from './expressions.ts';

const scope = (status: Scope['status'] = 'success'): Scope => ({
  status,
  contexts: {
    github: { ref: 'refs/tags/v1.2.3', run_attempt: 2, event: { number: 7 } },
    vars: {},
    needs: { docker: { outputs: { digest: 'sha256:1' } } },
  },
});
const inBraces = (text: string): string => `\${{ ${text} }}`;

describe('expressions, in GitHub’s own evaluator', () => {
  it.each([
    ["vars.IMAGE || 'default'", 'default'],
    ['github.event.number', 7],
    ["format('a {0}', github.ref)", 'a refs/tags/v1.2.3'],
    ['github.nothing', null],
    ['github.run_attempt > 1', true],
  ])('%s evaluates to %s', (expression, value) => {
    expect(evaluate(expression, scope())).toBe(value);
  });

  it('expressions inside a text are replaced by their values', () => {
    expect(interpolate(`<${inBraces('needs.docker.outputs.digest')}> ${inBraces('vars.X')}`, scope())).toBe(
      '<sha256:1> ',
    );
    expect(() => interpolate(inBraces('nothing.x'), scope())).toThrow();
  });

  it.each<[string | undefined, Scope['status'], boolean]>([
    [undefined, 'success', true],
    [undefined, 'failure', false],
    [inBraces('github.run_attempt > 1'), 'success', true],
    [inBraces('github.run_attempt > 1'), 'failure', false],
    ['github.run_attempt > 2', 'success', false],
    ['always()', 'failure', true],
    [inBraces('failure()'), 'failure', true],
    ['failure()', 'success', false],
    ['vars.X', 'success', false],
  ])('the condition %s after %s is %s', (condition, status, expected) => {
    expect(holds(condition, scope(status))).toBe(expected);
  });
});
