import type { EngineEnvironment } from '@prebuilt/testing/engine';

/** What a benchmark's numbers count. */
export type Unit = 'ms' | 'bytes' | 'requests/s';

/** The ratio ours ÷ theirs that is wanted; without one the ratio is only reported. */
export type Target =
  | { readonly kind: 'at-most'; readonly ratio: number }
  | { readonly kind: 'at-least'; readonly ratio: number }
  | { readonly kind: 'report' };

/** One execution of a subject. */
export interface Sample {
  /** In the benchmark's unit; where left out, the time the execution took in ms. */
  readonly value?: number;
  /** Highest sum of the resident memory of its processes. */
  readonly peakBytes?: number;
}

/** One side of a pair. */
export interface Subject {
  /** Before each execution, outside of what is measured. */
  readonly before?: () => Promise<void>;
  run(): Promise<Sample>;
}

/** Both sides, ready to run; closing it removes what preparing it made. */
export interface Pair {
  readonly ours: Subject;
  readonly theirs: Subject;
  close?(): Promise<void>;
}

/** A benchmark: what is compared, and what is wanted. */
export interface Bench {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  readonly ours: string;
  readonly theirs: string;
  readonly unit: Unit;
  readonly target: Target;
  /** An upper limit of our own median, in the benchmark's unit. */
  readonly limit?: number;
  /** What a reader should know of the result: where a target is missed, what the limit is. */
  readonly remark?: string;
  /** False where a pair before the counted ones would warm nothing up. */
  readonly warmUp?: false;
  /** Makes both sides ready. Throws BenchError PREREQUISITE, naming what is missing and how to get it. */
  prepare(context: BenchContext): Promise<Pair>;
}

/** Variables by which `docker` reaches an engine with buildx and emulation, and its registry (`127.0.0.1:PORT`, HTTP). */
export type BenchEngine = Readonly<Record<keyof EngineEnvironment, string>>;

/** Where a benchmark works. */
export interface BenchContext {
  readonly workspaceRoot: string;
  /** For files that live as long as the run, inside the workspace; made afresh for each benchmark. */
  readonly scratch: string;
  readonly progress: (line: string) => void;
  /** The engine that is up, else one started for the run. Throws PREREQUISITE where it can't be. */
  engine(): Promise<BenchEngine>;
}
