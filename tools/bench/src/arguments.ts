import { parseArgs } from 'node:util';
import { BenchError } from './errors.ts';

/** What the command line asks for. */
export type BenchCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'list' }
  | { readonly kind: 'report' }
  | {
      readonly kind: 'run';
      readonly only: readonly string[];
      readonly runs: number;
    };

/** The text of `--help`. */
export const HELP = `usage: npm run bench -- [options]

Runs each benchmark's two sides in turn after a warm-up, writes bench/results.json, and from it
docs/performance.md with its charts and the README's block. Ends with 1 where a target is missed or a benchmark
could not be run.

  --only NAME   only this benchmark; can be given several times; the others keep their recorded results
  --runs N      measured pairs of each, 5 by default; fewer than 5 are for trying out and are not recorded
  --report      writes the tables and charts again from bench/results.json, and measures nothing
  --list        names the benchmarks
  -h, --help    this text`;

/** Reads the command line. Throws INVALID_ARGUMENTS for what it does not know. */
export function parseArguments(args: readonly string[], names: readonly string[]): BenchCommand {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (cause) {
    throw new BenchError('INVALID_ARGUMENTS', cause instanceof Error ? cause.message : String(cause), {
      hint: 'npm run bench -- --help',
      cause,
    });
  }
  if (values.help) return { kind: 'help' };
  if (values.list) return { kind: 'list' };
  if (values.report) return { kind: 'report' };
  if (!/^[1-9]\d{0,3}$/.test(values.runs)) {
    throw new BenchError('INVALID_ARGUMENTS', `--runs: expected 1 to 9999, found ${values.runs}`);
  }
  for (const name of values.only) {
    if (names.includes(name)) continue;
    throw new BenchError('INVALID_ARGUMENTS', `--only: expected one of ${names.join(', ')}, found ${name}`);
  }
  return { kind: 'run', only: values.only, runs: Number(values.runs) };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      list: { type: 'boolean', default: false },
      report: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      runs: { type: 'string', default: '5' },
    },
  }).values;
}
