const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Matches a duration. The pattern is unambiguous, so matching takes linear time. */
export const durationPattern = /^[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/;

const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;

/** The longest duration in Go: 2^63 − 1 nanoseconds. */
const longestMs = Number(2n ** 63n - 1n) / 1e6;

/**
 * Parses a duration like https://pkg.go.dev/time#ParseDuration (`1m30s`, `250ms`, `1.5h`, `-1s`, `0`) and returns
 * milliseconds, possibly fractional; undefined if the text is not a duration.
 */
export function parseDuration(text: string): number | undefined {
  const signed = /^[+-]/.test(text);
  const body = signed ? text.slice(1) : text;
  if (body === '0') return 0;
  if (body === '') return undefined;
  let total = 0;
  part.lastIndex = 0;
  while (part.lastIndex < body.length) {
    const match = part.exec(body);
    const unit = unitMs[match?.[2] ?? ''];
    if (match === null || unit === undefined) return undefined;
    total += Number(match[1]) * unit;
  }
  if (total > longestMs) return undefined;
  // Rounds to whole nanoseconds, as in Go: 1.1s is 1100 ms and not 1100.0000000000002.
  const exact = Math.round(total * 1e6) / 1e6;
  return text.startsWith('-') && exact !== 0 ? -exact : exact;
}

/** Formats milliseconds as the shortest text that {@link parseDuration} parses back to the same value. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s';
  const sign = milliseconds < 0 ? '-' : '';
  let rest = Math.abs(milliseconds);
  if (rest < 1) return `${sign}${Math.round(rest * 1e6)}ns`;
  if (rest < 1000) return `${sign}${rest}ms`;
  const hours = Math.floor(rest / 3_600_000);
  rest -= hours * 3_600_000;
  const minutes = Math.floor(rest / 60_000);
  rest -= minutes * 60_000;
  const seconds = rest / 1000;
  return `${sign}${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}m` : ''}${seconds > 0 ? `${seconds}s` : ''}`;
}
