import type { Bench, BenchContext, Sample, Subject } from './bench.ts';
import { isMet, pairRatios, type Summary, summarize } from './statistics.ts';

/** One side's measurements, in the order they were taken. */
export interface Side {
  readonly description: string;
  readonly values: readonly number[];
  readonly summary: Summary;
  /** Highest of all runs; absent if memory was not measured. */
  readonly peakBytes?: number;
}

/** The result of a benchmark. */
export interface BenchResult {
  readonly name: string;
  readonly title: string;
  readonly unit: Bench['unit'];
  readonly target: Bench['target'];
  readonly limit?: number;
  readonly ours: Side;
  readonly theirs: Side;
  /** Ours ÷ theirs, pair by pair. */
  readonly ratios: readonly number[];
  readonly ratio: Summary;
  readonly met: boolean;
}

export interface RunOptions {
  /** Measured pairs. An uncounted warm-up pair runs first, unless the benchmark needs none. */
  readonly runs: number;
  /** A clock, in ms. */
  readonly now: () => number;
}

interface Measured {
  readonly value: number;
  readonly peakBytes: number | undefined;
}

/**
 * Runs both sides in turn, A B A B …, after an uncounted warm-up pair. Always closes what the benchmark prepared.
 * If a side fails, the benchmark fails with its error.
 */
export async function runBench(
  bench: Bench,
  context: BenchContext,
  options: RunOptions,
): Promise<BenchResult> {
  context.progress(`${bench.name}: preparing`);
  const pair = await bench.prepare(context);
  try {
    const ours: Measured[] = [];
    const theirs: Measured[] = [];
    if (bench.warmUp !== false) {
      await measure(pair.ours, options.now);
      await measure(pair.theirs, options.now);
    }
    for (let run = 1; run <= options.runs; run += 1) {
      const [a, b] = [await measure(pair.ours, options.now), await measure(pair.theirs, options.now)];
      ours.push(a);
      theirs.push(b);
      context.progress(
        `${bench.name}: pair ${run} of ${options.runs}: ${shown(a.value)} against ${shown(b.value)} ${bench.unit}`,
      );
    }
    return resultOf(bench, ours, theirs);
  } finally {
    await pair.close?.();
  }
}

async function measure(subject: Subject, now: () => number): Promise<Measured> {
  await subject.before?.();
  const started = now();
  const sample: Sample = await subject.run();
  const elapsed = now() - started;
  return { value: sample.value ?? elapsed, peakBytes: sample.peakBytes };
}

function resultOf(bench: Bench, ours: readonly Measured[], theirs: readonly Measured[]): BenchResult {
  const ratios = pairRatios(
    ours.map(({ value }) => value),
    theirs.map(({ value }) => value),
  );
  const [own, other, ratio] = [sideOf(bench.ours, ours), sideOf(bench.theirs, theirs), summarize(ratios)];
  return {
    name: bench.name,
    title: bench.title,
    unit: bench.unit,
    target: bench.target,
    ...(bench.limit === undefined ? {} : { limit: bench.limit }),
    ours: own,
    theirs: other,
    ratios,
    ratio,
    met: isMet(bench.target, ratio.median, bench.limit, own.summary.median),
  };
}

function sideOf(description: string, measured: readonly Measured[]): Side {
  const values = measured.map(({ value }) => value);
  const peaks = measured.flatMap(({ peakBytes }) => (peakBytes === undefined ? [] : [peakBytes]));
  return {
    description,
    values,
    summary: summarize(values),
    ...(peaks.length === 0 ? {} : { peakBytes: Math.max(...peaks) }),
  };
}

function shown(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 });
}
