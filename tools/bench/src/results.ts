import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { BenchError } from './errors.ts';
import type { GrowthResult } from './growth.ts';
import type { BenchResult } from './runner.ts';

/** The machine on which a result was measured. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
}

/** Where and when something was measured. */
export interface Recording {
  /** ISO 8601, UTC. */
  readonly measured: string;
  /** The share of the processors, 0 to 1, that other work used in the second before. */
  readonly busyBefore: number;
  readonly machine: Machine;
}

/** A result, plus where and when it was measured. */
export type RecordedResult = BenchResult & Recording;

/** A growth, plus where and when it was measured. */
export type RecordedGrowth = GrowthResult & Recording;

/** The content of bench/results.json. */
export interface Results {
  readonly schemaVersion: 1;
  readonly results: readonly RecordedResult[];
  readonly growth: readonly RecordedGrowth[];
}

/** This machine. */
export function describeMachine(): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    kernel: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
  };
}

/** Measures, for one second, the share of this machine's processors that is in use, 0 to 1. */
export async function busyShare(): Promise<number> {
  const before = processorTimes();
  await wait(1000);
  const after = processorTimes();
  return 1 - (after.idle - before.idle) / (after.all - before.all);
}

/** Milliseconds since boot, summed over all processors. */
function processorTimes(): { readonly idle: number; readonly all: number } {
  let [idle, all] = [0, 0];
  for (const { times } of cpus()) {
    idle += times.idle;
    for (const time of Object.values(times)) all += time;
  }
  return { idle, all };
}

/** Reads the recorded results; none if the file is missing. Throws RESULTS if it can't be parsed. */
export async function readResults(path: string): Promise<Results> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { schemaVersion: 1, results: [], growth: [] };
    throw error;
  }
  try {
    const results: Results = JSON.parse(text);
    if (results.schemaVersion === 1 && Array.isArray(results.results) && Array.isArray(results.growth)) {
      return results;
    }
  } catch (cause) {
    throw new BenchError('RESULTS', `${path}: expected JSON`, {
      hint: 'Remove it and measure again.',
      cause,
    });
  }
  throw new BenchError('RESULTS', `${path}: expected schemaVersion 1 with results and growth`, {
    hint: 'Remove it and measure again.',
  });
}

/** Merges fresh results into the recorded ones, replacing those with the same name, in the order of `names`. */
export function mergeResults(
  recorded: Results,
  fresh: Pick<Results, 'results' | 'growth'>,
  names: readonly string[],
): Results {
  return {
    schemaVersion: 1,
    results: merge(recorded.results, fresh.results, names),
    growth: merge(recorded.growth, fresh.growth, names),
  };
}

function merge<T extends { readonly name: string }>(
  old: readonly T[],
  fresh: readonly T[],
  names: readonly string[],
): readonly T[] {
  const byName = new Map([...old, ...fresh].map((each) => [each.name, each]));
  return names.flatMap((name) => byName.get(name) ?? []);
}

/** Writes a file atomically: to a temporary file next to it, then renamed. A reader sees the old or the new file. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.new`;
  await writeFile(beside, text);
  await rename(beside, path);
}
