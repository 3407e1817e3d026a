import { describe, expect, it } from 'vitest';
import { describeHealthcheck, describePorts, quote, quoteList } from './history.ts';

// As seen with BuildKit (moby 26.1.5).
describe('the history', () => {
  it('the history quotes lists like Go', () => {
    expect(quoteList(['/bin/sh', '-c', '/app run "$Z"'])).toBe('["/bin/sh" "-c" "/app run \\"$Z\\""]');
    expect(quoteList([])).toBe('[]');
  });

  it.each([
    ['é漢😀', '"é漢😀"'],
    ['tab\t\\', '"tab\\t\\\\"'],
    ['\u00a0\u200b\u{e0001}', '"\\u00a0\\u200b\\U000e0001"'],
    ['\u007f', '"\\x7f"'],
  ])('the history quotes %j', (text, expected) => {
    expect(quote(text)).toBe(expected);
  });

  it('the history has a health check’s retries as a character', () => {
    const check = {
      command: undefined,
      interval: 5e9,
      timeout: 3e9,
      startPeriod: 1e9,
      startInterval: 0,
      retries: 2,
    };
    expect(describeHealthcheck(['CMD', '/app', 'health'], check)).toBe(
      'HEALTHCHECK &{["CMD" "/app" "health"] "5s" "3s" "1s" "0s" \'\\x02\'}',
    );
    // Seen with BuildKit 0.13.2.
    const often = { ...check, timeout: 0, startPeriod: 0, startInterval: 2e9, retries: 0 };
    expect(describeHealthcheck(['CMD', '/app'], often)).toBe(
      'HEALTHCHECK &{["CMD" "/app"] "5s" "0s" "0s" "2s" \'\\x00\'}',
    );
    expect(
      describeHealthcheck(['NONE'], { ...check, interval: 0, timeout: 0, startPeriod: 0, retries: 40 }),
    ).toBe('HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" \'(\'}');
  });

  it('the history sorts ports in either format', () => {
    expect(describePorts(['9000/tcp', '53/udp'], 'moby-26')).toBe('EXPOSE map[53/udp:{} 9000/tcp:{}]');
    expect(describePorts(['9000/tcp', '53/udp'], 'moby-28')).toBe('EXPOSE [53/udp 9000/tcp]');
  });
});
