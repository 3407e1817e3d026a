import type { EngineEnvironment } from '@prebuilt/testing/engine';

/** The unit of a benchmark's numbers. */
export type Unit = 'ms' | 'bytes' | 'requests/s';

/** The wanted ratio, ours ÷ theirs. `report` only reports it. */
export type Target =
  | { readonly kind: 'at-most'; readonly ratio: number }
  | { readonly kind: 'at-least'; readonly ratio: number }
  | { readonly kind: 'report' };

/** One execution of a subject. */
export interface Sample {
  /** In the benchmark's unit. Defaults to the time the execution took, in ms. */
  readonly value?: number;
  /** Peak of the summed resident memory of its processes. */
  readonly peakBytes?: number;
}

/** One side of a pair. */
export interface Subject {
  /** Runs before each execution, and is not measured. */
  readonly before?: () => Promise<void>;
  run(): Promise<Sample>;
}

/** Both sides, ready to run. Closing it removes what `prepare` created. */
export interface Pair {
  readonly ours: Subject;
  readonly theirs: Subject;
  close?(): Promise<void>;
}

/** A benchmark: what it compares, and its target. */
export interface Bench {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  readonly ours: string;
  readonly theirs: string;
  readonly unit: Unit;
  readonly target: Target;
  /** Upper limit for our own median, in the benchmark's unit. */
  readonly limit?: number;
  /** What a reader should know about the result: if a target is missed, what limits it. */
  readonly remark?: string;
  /** False if there is nothing to warm up before the measured pairs. */
  readonly warmUp?: false;
  /** Prepares both sides. Throws BenchError PREREQUISITE, naming what is missing and how to get it. */
  prepare(context: BenchContext): Promise<Pair>;
}

/** Environment for an engine with buildx and emulation, and its registry (`127.0.0.1:PORT`, HTTP). */
export type BenchEngine = Readonly<Record<keyof EngineEnvironment, string>>;

/** Where a benchmark works. */
export interface BenchContext {
  readonly workspaceRoot: string;
  /** Scratch folder inside the workspace, empty at the start of each benchmark and removed at its end. */
  readonly scratch: string;
  readonly progress: (line: string) => void;
  /** The engine that is up, or one started for this run. Throws PREREQUISITE if that fails. */
  engine(): Promise<BenchEngine>;
}
