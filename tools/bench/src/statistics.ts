import type { Target } from './bench.ts';

/** Median, smallest and largest of some numbers. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The middle value; the mean of the two middle ones of an even count. Throws RangeError for no values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new RangeError('the median of no values');
  return (lower + upper) / 2;
}

/** Throws RangeError for no values. */
export function summarize(values: readonly number[]): Summary {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Ours ÷ theirs, pair by pair, so that a temporary slowdown of the machine affects both sides of a pair.
 * Throws RangeError if the counts differ or one of their values is not above zero.
 */
export function pairRatios(ours: readonly number[], theirs: readonly number[]): readonly number[] {
  if (ours.length !== theirs.length) throw new RangeError(`${ours.length} runs against ${theirs.length}`);
  return ours.map((value, index) => {
    const other = theirs[index];
    if (other === undefined || !(other > 0)) throw new RangeError(`a ratio to ${other}`);
    return value / other;
  });
}

/** Whether the median ratio meets its target and our own median its limit. Always true if neither is set. */
export function isMet(target: Target, ratio: number, limit?: number, ours?: number): boolean {
  if (limit !== undefined && !(ours !== undefined && ours <= limit)) return false;
  switch (target.kind) {
    case 'at-most':
      return ratio <= target.ratio;
    case 'at-least':
      return ratio >= target.ratio;
    case 'report':
      return true;
  }
}
