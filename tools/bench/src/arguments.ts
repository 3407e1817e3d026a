import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { BenchError } from './errors.ts';

/** A parsed command line. */
export type BenchCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'list' }
  | { readonly kind: 'report' }
  | {
      readonly kind: 'run';
      readonly only: readonly string[];
      readonly runs: number;
      /** The program to compare the sidecar with. */
      readonly peer: string | undefined;
    };

/** The text of `--help`. */
export const HELP = `usage: npm run bench -- [options]

Runs each benchmark's two sides in turn after a warm-up, writes bench/results.json, and from it
docs/performance.md with its charts and the README's block. Starts the Docker engine and registry if none are up
(Debian, as root), and stops them again. Exits with 1 if a target is missed or a benchmark could not be run.

  --only NAME   runs only this benchmark; repeatable; the others keep their recorded results
  --peer PATH   also compares the sidecar with this program, which must take the same command line and configuration
  --runs N      measured pairs per benchmark, default 5; fewer than 5 are for trying things out and are not recorded
  --report      rewrites the tables and charts from bench/results.json without measuring anything
  --list        lists the benchmarks
  -h, --help    prints this text`;

/** Parses the command line. Throws INVALID_ARGUMENTS for anything it does not know. */
export function parseArguments(
  args: readonly string[],
  names: readonly string[],
  peerNames: readonly string[],
): BenchCommand {
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
  const peer = values.peer === undefined ? undefined : resolve(values.peer);
  for (const name of values.only) {
    if (peer === undefined && peerNames.includes(name)) {
      throw new BenchError('INVALID_ARGUMENTS', `--only: ${name} expected --peer PATH, found none`);
    }
    if (names.includes(name)) continue;
    throw new BenchError('INVALID_ARGUMENTS', `--only: expected one of ${names.join(', ')}, found ${name}`);
  }
  return { kind: 'run', only: values.only, runs: Number(values.runs), peer };
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
      peer: { type: 'string' },
    },
  }).values;
}
