import type { Target, Unit } from './bench.ts';

/** Formats a number with its unit for people: `1.24 s`, `312 ms`, `14.2 MB`, `20,119 /s`. */
export function formatQuantity(value: number, unit: Unit): string {
  switch (unit) {
    case 'ms':
      return value >= 1000 ? `${decimal(value / 1000)} s` : `${decimal(value)} ms`;
    case 'bytes':
      return `${decimal(value / 1e6)} MB`;
    case 'requests/s':
      return `${decimal(value)} /s`;
  }
}

/** Formats a ratio with two decimals: `0.97 ×`. */
export function formatRatio(ratio: number): string {
  return `${ratio.toFixed(2)} ×`;
}

/** Formats a target: `≤ 1.20`, `≥ 0.80`, or `report`; then the limit for our own median, if any. */
export function formatTarget(target: Target, unit: Unit, limit?: number): string {
  const wanted =
    target.kind === 'report'
      ? 'report'
      : `${target.kind === 'at-most' ? '≤' : '≥'} ${target.ratio.toFixed(2)}`;
  return limit === undefined ? wanted : `${wanted}, and ≤ ${formatQuantity(limit, unit)}`;
}

// Three significant digits, and never an exponent.
function decimal(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
