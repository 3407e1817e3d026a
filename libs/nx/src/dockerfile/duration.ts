const UNITS: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ns: 1n,
};
const LONGEST = 30n * 24n * 3_600_000_000_000n;

/**
 * Parses a duration such as `1m30s`, `1.5s` or `500ms` into nanoseconds; undefined for any other text, for more than
 * 30 days, and for fractions of a nanosecond.
 * https://pkg.go.dev/time#ParseDuration
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (text.length > 40 || !/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(
    /(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g,
  )) {
    // Integer arithmetic: with floating point, 1.001 s would be 1000999999.9999999 ns.
    const scaled = BigInt(whole + fraction) * (UNITS[unit] ?? 0n);
    const scale = 10n ** BigInt(fraction.length);
    if (scaled % scale !== 0n) return undefined;
    total += scaled / scale;
  }
  return total <= LONGEST ? Number(total) : undefined;
}

/**
 * Formats nanoseconds the way Go does: `1m30s`, `1.5s`, `500ms`, `0s`.
 * https://pkg.go.dev/time#Duration.String
 */
export function formatDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  for (const [unit, size] of [
    ['ns', 1],
    ['µs', 1e3],
    ['ms', 1e6],
  ] as const) {
    if (nanoseconds < size * 1000) return `${nanoseconds / size}${unit}`;
  }
  const minutes = Math.floor(nanoseconds / 60e9);
  const hours = Math.floor(minutes / 60);
  const rest = nanoseconds - minutes * 60e9;
  const fraction = String(rest % 1e9)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const seconds = `${Math.floor(rest / 1e9)}${fraction === '' ? '' : `.${fraction}`}s`;
  if (minutes === 0) return seconds;
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}
