import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, type UsedEngine, useEngine } from '@prebuilt/testing/engine';
import { HELP, parseArguments } from './arguments.ts';
import type { BenchContext } from './bench.ts';
import { benchesFor, growths, NAMES, WITH_PEER } from './benches/index.ts';
import { BenchError } from './errors.ts';
import { runGrowth } from './growth.ts';
import { readmeWith, reportOf } from './recorded.ts';
import { growthTable, summaryTable } from './report.ts';
import {
  busyShare,
  describeMachine,
  mergeResults,
  type RecordedGrowth,
  type RecordedResult,
  type Recording,
  readResults,
  writeWhole,
} from './results.ts';
import { runBench } from './runner.ts';

/** Results with fewer pairs than this are not recorded. */
const RECORDED_RUNS = 5;
const ROOT = join(import.meta.dirname, '../../..');
const RESULTS = join(ROOT, 'bench/results.json');

const say = (line: string) => process.stderr.write(`${line}\n`);
const print = (text: string) => process.stdout.write(`${text}\n`);
const now = () => performance.now();

async function main(args: readonly string[]): Promise<number> {
  const command = parseArguments(args, NAMES, WITH_PEER);
  switch (command.kind) {
    case 'help':
      print(HELP);
      return 0;
    case 'list':
      for (const { name, title } of [...benchesFor('PATH'), ...growths]) print(`${name.padEnd(22)} ${title}`);
      return 0;
    case 'report':
      await writeReport();
      return 0;
    case 'run': {
      const engine = sharedEngine();
      try {
        return await measureAll(command.only, command.runs, command.peer, engine.environment);
      } finally {
        await engine.stop();
      }
    }
  }
}

/** The engine of a run, found or started by the first benchmark that needs it. */
function sharedEngine() {
  let used: Promise<UsedEngine> | undefined;
  return {
    environment: async () => {
      used ??= useEngine(say);
      try {
        return (await used).environment;
      } catch (cause) {
        if (!(cause instanceof EngineError)) throw cause;
        throw new BenchError('PREREQUISITE', `a Docker engine: ${cause.message}`, {
          hint: cause.hint ?? 'npm run engine -- up',
          cause,
        });
      }
    },
    stop: async () => {
      // Every benchmark that asked for the engine already reported a failed start, and a failed start cleans up itself.
      const engine = await used?.catch(() => undefined);
      await engine?.stop();
    },
  };
}

/** What has been measured so far, and what could not be. */
interface Progress {
  readonly results: RecordedResult[];
  readonly growth: RecordedGrowth[];
  readonly failed: string[];
}

async function measureAll(
  only: readonly string[],
  runs: number,
  peer: string | undefined,
  engine: BenchContext['engine'],
): Promise<number> {
  const chosen = (name: string) => only.length === 0 || only.includes(name);
  const record = runs >= RECORDED_RUNS;
  const progress: Progress = { results: [], growth: [], failed: [] };
  for (const bench of benchesFor(peer).filter(({ name }) => chosen(name))) {
    await measureOne(bench.name, progress, record, engine, async (context, recording) => {
      progress.results.push({ ...(await runBench(bench, context, { runs, now })), ...recording });
    });
  }
  for (const growth of growths.filter(({ name }) => chosen(name))) {
    await measureOne(growth.name, progress, record, engine, async (context, recording) => {
      progress.growth.push({ ...(await runGrowth(growth, context, now)), ...recording });
    });
  }
  if (progress.results.length > 0) print(summaryTable(progress.results));
  if (progress.growth.length > 0) print(growthTable(progress.growth));
  if (record) await writeReport();
  else say(`not recorded: ${runs} pairs, of at least ${RECORDED_RUNS}`);
  const missed = progress.results.filter(({ met }) => !met).map(({ name }) => name);
  if (missed.length > 0) say(`target missed: ${missed.join(', ')}`);
  if (progress.failed.length > 0) say(`not measured: ${progress.failed.join(', ')}`);
  return missed.length + progress.failed.length === 0 ? 0 : 1;
}

async function measureOne(
  name: string,
  { results, growth, failed }: Progress,
  record: boolean,
  engine: BenchContext['engine'],
  measure: (context: BenchContext, recording: Recording) => Promise<void>,
): Promise<void> {
  const busyBefore = await busyShare();
  const scratch = join(ROOT, '.cache/bench', name);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });
  try {
    const context = { workspaceRoot: ROOT, scratch, progress: say, engine };
    await measure(context, { measured: new Date().toISOString(), busyBefore, machine: describeMachine() });
    // Saved right away, so that a later failure loses nothing.
    if (record) {
      const merged = mergeResults(await readResults(RESULTS), { results, growth }, NAMES);
      await writeWhole(RESULTS, `${JSON.stringify(merged, null, 2)}\n`);
    }
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    failed.push(name);
    complain(error, name);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function writeReport(): Promise<void> {
  const recorded = await readResults(RESULTS);
  const { document, charts } = reportOf(recorded);
  for (const { path, svg } of charts) await writeWhole(join(ROOT, 'docs', path), svg);
  await writeWhole(join(ROOT, 'docs/performance.md'), document);
  const readme = join(ROOT, 'README.md');
  await writeWhole(readme, readmeWith(recorded, await readFile(readme, 'utf8')));
}

function complain(error: BenchError, subject: string): void {
  say(`${subject}: ${error.code}: ${error.message}`);
  if (error.hint !== undefined) say(`  ${error.hint}`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  complain(error, 'bench');
  process.exitCode = error.code === 'INVALID_ARGUMENTS' ? 2 : 1;
}
