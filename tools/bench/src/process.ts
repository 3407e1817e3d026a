import { readdirSync, readFileSync } from 'node:fs';
import { execa } from 'execa';
import type { Sample } from './bench.ts';
import { BenchError } from './errors.ts';

/** A command without a shell. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A command with further variables. */
export function withEnvironment(command: Command, env: Readonly<Record<string, string>>): Command {
  return { ...command, env: { ...command.env, ...env } };
}

const DEADLINE_MS = 10 * 60_000;
const MEMORY_INTERVAL_MS = 50;

/**
 * Runs commands side by side until all have ended, following the memory of their processes and all below them.
 * Throws SUBJECT_FAILED, with what it wrote, for the first that fails or takes more than ten minutes.
 */
export async function runAll(commands: readonly Command[]): Promise<Sample> {
  const running = commands.map(({ file, args, cwd, env }) =>
    execa(file, [...args], {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...env },
      stdin: 'ignore',
      all: true,
      reject: false,
      timeout: DEADLINE_MS,
    }),
  );
  let peak = 0;
  const timer = setInterval(() => {
    const now = running.reduce((sum, { pid }) => sum + (pid === undefined ? 0 : residentOfTree(pid)), 0);
    peak = Math.max(peak, now);
  }, MEMORY_INTERVAL_MS);
  try {
    for (const result of await Promise.all(running)) {
      if (!result.failed) continue;
      throw new BenchError('SUBJECT_FAILED', `${result.shortMessage}\n${result.all}`.trimEnd());
    }
  } finally {
    clearInterval(timer);
  }
  return peak === 0 ? {} : { peakBytes: peak };
}

/** What a command writes to stdout. Throws SUBJECT_FAILED, with what it wrote to stderr, where it fails. */
export async function outputOf({ file, args, cwd, env }: Command): Promise<string> {
  const result = await execa(file, [...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...env },
    stdin: 'ignore',
    reject: false,
    timeout: DEADLINE_MS,
  });
  if (!result.failed) return result.stdout;
  throw new BenchError('SUBJECT_FAILED', `${result.shortMessage}\n${result.stderr}`.trimEnd());
}

/** Throws PREREQUISITE where a program can't be run. */
export async function requireProgram(file: string, args: readonly string[]): Promise<void> {
  const result = await execa(file, [...args], { reject: false, stdin: 'ignore' });
  if (!result.failed) return;
  throw new BenchError('PREREQUISITE', `${file}: ${result.shortMessage}`, { hint: `Install ${file}.` });
}

/** Runs steps one after the other, the commands of each side by side. */
export async function runInTurn(steps: readonly (readonly Command[])[]): Promise<Sample> {
  let peak = 0;
  for (const commands of steps) peak = Math.max(peak, (await runAll(commands)).peakBytes ?? 0);
  return peak === 0 ? {} : { peakBytes: peak };
}

// Processes come and go while they are looked at: one that is gone counts nothing.
function residentOfTree(pid: number): number {
  try {
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
    );
    return children.reduce((sum, child) => sum + residentOfTree(Number(child)), Number(kib ?? 0) * 1024);
  } catch {
    return 0;
  }
}

/** Anonymous memory of one process, in bytes: what it alone costs the machine. */
export function anonymousBytes(pid: number): number {
  const kib = /^Anonymous:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
  if (kib === undefined)
    throw new BenchError('SUBJECT_FAILED', `/proc/${pid}/smaps_rollup names no Anonymous`);
  return Number(kib) * 1024;
}
