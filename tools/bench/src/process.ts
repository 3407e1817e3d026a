import { constants, readdirSync, readFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
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

/** A command with more environment variables. */
export function withEnvironment(command: Command, env: Readonly<Record<string, string>>): Command {
  return { ...command, env: { ...command.env, ...env } };
}

const DEADLINE_MS = 10 * 60_000;
const MEMORY_INTERVAL_MS = 50;

/**
 * Runs commands in parallel until all have exited, and tracks the memory of their process trees.
 * Throws SUBJECT_FAILED, with the command's output, for the first that fails or takes more than ten minutes.
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

/** Runs a command and returns its stdout. Throws SUBJECT_FAILED, with its stderr, if it fails. */
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

/** Throws PREREQUISITE if a program can't be run. */
export async function requireProgram(file: string, args: readonly string[]): Promise<void> {
  const result = await execa(file, [...args], { reject: false, stdin: 'ignore' });
  if (!result.failed) return;
  throw new BenchError('PREREQUISITE', `${file}: ${result.shortMessage}`, { hint: `Install ${file}.` });
}

/** Throws PREREQUISITE if the file is missing or not executable. Does not run it. */
export async function requireExecutable(file: string): Promise<void> {
  await access(file, constants.X_OK).catch((cause: unknown) => {
    throw new BenchError('PREREQUISITE', `${file}: expected an executable program, found none`, {
      cause,
    });
  });
}

/** Runs steps one after the other; the commands within a step run in parallel. */
export async function runInTurn(steps: readonly (readonly Command[])[]): Promise<Sample> {
  let peak = 0;
  for (const commands of steps) peak = Math.max(peak, (await runAll(commands)).peakBytes ?? 0);
  return peak === 0 ? {} : { peakBytes: peak };
}

// Processes come and go while they are read: one that is gone counts as zero.
function residentOfTree(pid: number): number {
  return sumOfTree(pid, (one) => {
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1];
    return Number(kib ?? 0) * 1024;
  });
}

function sumOfTree(pid: number, measure: (pid: number) => number): number {
  const own = orElse(0, () => measure(pid));
  const tasks = orElse([], () => readdirSync(`/proc/${pid}/task`));
  const children = tasks.flatMap((task) =>
    orElse('', () => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'))
      .split(' ')
      .filter(Boolean),
  );
  return children.reduce((sum, child) => sum + sumOfTree(Number(child), measure), own);
}

function orElse<Value>(gone: Value, look: () => Value): Value {
  try {
    return look();
  } catch {
    return gone;
  }
}

/** Anonymous memory of a process and all its descendants, in bytes. */
export function anonymousBytesOfTree(pid: number): number {
  return sumOfTree(pid, anonymousBytes);
}

/** Clock ticks per second (`getconf CLK_TCK`): 100 on every current Linux. */
const TICKS_A_SECOND = 100;

/**
 * CPU time of a process and all its descendants, including those that have exited, in ms. What runs now is counted to
 * the nanosecond, where the kernel's ticks would say 0 for a program that checks hundreds of mounts.
 * https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
 */
export function processorMsOfTree(pid: number): number {
  return sumOfTree(pid, (one) => {
    const times = timesOf(readFileSync(`/proc/${one}/stat`, 'utf8'));
    const [own, exited] = [msOfTicks(times.slice(0, 2)), msOfTicks(times.slice(2))];
    // Ticks include threads that have ended.
    return exited + Math.max(own, threadsMs(one));
  });
}

function threadsMs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const [ran] = orElse('0', () => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')).split(' ');
    return sum + Number(ran) / 1_000_000;
  }, 0);
}

/** CPU time of one process and its exited children, in ms, from its line in `/proc/PID/stat`. */
export function processorMsOf(stat: string): number {
  return msOfTicks(timesOf(stat));
}

/** The process's own time in user and kernel mode, and that of its exited children, in ticks. */
function timesOf(stat: string): readonly number[] {
  // Fields 14 to 17 (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html); the slice starts at field 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).map(Number);
}

function msOfTicks(ticks: readonly number[]): number {
  return (ticks.reduce((sum, each) => sum + each, 0) * 1000) / TICKS_A_SECOND;
}

/** Anonymous memory of one process, in bytes: what it alone costs the machine, without shared pages. */
export function anonymousBytes(pid: number): number {
  const kib = /^Anonymous:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
  if (kib === undefined)
    throw new BenchError('SUBJECT_FAILED', `/proc/${pid}/smaps_rollup: expected Anonymous, found none`);
  return Number(kib) * 1024;
}
