import type { BenchContext, Subject } from './bench.ts';
import { type Summary, summarize } from './statistics.ts';

/** A measurement of how the cost of one job grows with the amount of work. */
export interface Growth {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** The job whose time and memory are measured. */
  readonly description: string;
  /** What grows: `platforms`, `MB`. */
  readonly axis: string;
  /** The amounts of work, ascending; at least two. */
  readonly points: readonly number[];
  /** Prepares one point. Throws BenchError PREREQUISITE, naming what is missing and how to get it. */
  prepare(context: BenchContext, point: number): Promise<GrowthSubject>;
}

/** One point, ready to run; its value is in ms. */
export interface GrowthSubject extends Subject {
  close?(): Promise<void>;
}

/** The measured cost of one amount of work. */
export interface GrowthPoint {
  readonly point: number;
  /** In ms. */
  readonly values: readonly number[];
  readonly summary: Summary;
  readonly peakBytes?: number;
}

/** The result of a growth measurement. */
export interface GrowthResult {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly axis: string;
  readonly points: readonly GrowthPoint[];
  /** Marginal cost over the last step, divided by that over all steps: 1 is linear; below 1, growth slows down. */
  readonly bend: number;
}

/** Measured executions per point, after an uncounted warm-up. */
const RUNS = 3;

/** Measures every point of a growth, from the smallest to the largest. */
export async function runGrowth(
  growth: Growth,
  context: BenchContext,
  now: () => number,
): Promise<GrowthResult> {
  const points: GrowthPoint[] = [];
  for (const point of growth.points) {
    context.progress(`${growth.name}: preparing ${point} ${growth.axis}`);
    const subject = await growth.prepare(context, point);
    try {
      points.push(await measurePoint(subject, point, now));
    } finally {
      await subject.close?.();
    }
    context.progress(
      `${growth.name}: ${point} ${growth.axis}: ${points.at(-1)?.summary.median.toFixed(0)} ms`,
    );
  }
  const { name, title, description, axis } = growth;
  return { name, title, description, axis, points, bend: bendOf(points) };
}

async function measurePoint(subject: GrowthSubject, point: number, now: () => number): Promise<GrowthPoint> {
  const values: number[] = [];
  const peaks: number[] = [];
  for (let run = 0; run <= RUNS; run += 1) {
    await subject.before?.();
    const started = now();
    const sample = await subject.run();
    const elapsed = sample.value ?? now() - started;
    if (run === 0) continue;
    values.push(elapsed);
    if (sample.peakBytes !== undefined) peaks.push(sample.peakBytes);
  }
  return {
    point,
    values,
    summary: summarize(values),
    ...(peaks.length === 0 ? {} : { peakBytes: Math.max(...peaks) }),
  };
}

/** See {@link GrowthResult.bend}. Throws RangeError for fewer than two points. */
export function bendOf(points: readonly Pick<GrowthPoint, 'point' | 'summary'>[]): number {
  const [first, before, last] = [points[0], points.at(-2), points.at(-1)];
  if (first === undefined || before === undefined || last === undefined)
    throw new RangeError('the bend of fewer than two points');
  return slope(before, last) / slope(first, last);
}

function slope(a: Pick<GrowthPoint, 'point' | 'summary'>, b: Pick<GrowthPoint, 'point' | 'summary'>): number {
  return (b.summary.median - a.summary.median) / (b.point - a.point);
}
