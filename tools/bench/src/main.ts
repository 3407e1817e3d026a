import { mkdir, readFile, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { HELP, parseArguments } from './arguments.ts';
import type { Bench } from './bench.ts';
import { benches } from './benches/index.ts';
import { BenchError } from './errors.ts';
import { formatReport, replaceBlock, summaryTable } from './report.ts';
import { describeMachine, mergeResults, type RecordedResult, readResults, writeWhole } from './results.ts';
import { runBench } from './runner.ts';

/** Fewer pairs than this are not recorded. */
const RECORDED_RUNS = 5;

const ROOT = join(import.meta.dirname, '../../..');
const RESULTS = join(ROOT, 'bench/results.json');
const say = (line: string) => process.stderr.write(`${line}\n`);
const print = (text: string) => process.stdout.write(`${text}\n`);

async function main(args: readonly string[]): Promise<number> {
  const names = benches.map(({ name }) => name);
  const command = parseArguments(args, names);
  switch (command.kind) {
    case 'help':
      print(HELP);
      return 0;
    case 'list':
      for (const { name, title } of benches) print(`${name.padEnd(20)} ${title}`);
      return 0;
    case 'report':
      await writeReport(names);
      return 0;
    case 'run': {
      const chosen = benches.filter(({ name }) => command.only.length === 0 || command.only.includes(name));
      return measureAll(chosen, names, command.runs);
    }
  }
}

async function measureAll(chosen: readonly Bench[], names: readonly string[], runs: number): Promise<number> {
  const fresh: RecordedResult[] = [];
  const failed: string[] = [];
  for (const bench of chosen) {
    const loadBefore = loadavg()[0] ?? 0;
    const scratch = join(ROOT, '.cache/bench', bench.name);
    await rm(scratch, { recursive: true, force: true });
    await mkdir(scratch, { recursive: true });
    try {
      const context = { workspaceRoot: ROOT, scratch, progress: say };
      const result = await runBench(bench, context, { runs, now: () => performance.now() });
      fresh.push({ ...result, measured: new Date().toISOString(), loadBefore, machine: describeMachine() });
      // Whatever comes after: what was measured is kept.
      if (runs >= RECORDED_RUNS) {
        const merged = mergeResults(await readResults(RESULTS), fresh, names);
        await writeWhole(RESULTS, `${JSON.stringify(merged, null, 2)}\n`);
      }
    } catch (error) {
      if (!(error instanceof BenchError)) throw error;
      failed.push(bench.name);
      complain(error, bench.name);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
  print(summaryTable(fresh));
  if (runs >= RECORDED_RUNS) await writeReport(names);
  else say(`not recorded: ${runs} of at least ${RECORDED_RUNS} pairs`);
  const missed = fresh.filter(({ met }) => !met).map(({ name }) => name);
  if (missed.length > 0) say(`target missed: ${missed.join(', ')}`);
  if (failed.length > 0) say(`not measured: ${failed.join(', ')}`);
  return missed.length + failed.length === 0 ? 0 : 1;
}

async function writeReport(names: readonly string[]): Promise<void> {
  const recorded = mergeResults(await readResults(RESULTS), [], names);
  const { document, charts } = formatReport(recorded.results);
  for (const { path, svg } of charts) await writeWhole(join(ROOT, 'docs', path), svg);
  await writeWhole(join(ROOT, 'docs/performance.md'), document);
  const readme = join(ROOT, 'README.md');
  await writeWhole(readme, replaceBlock(await readFile(readme, 'utf8'), summaryTable(recorded.results)));
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
