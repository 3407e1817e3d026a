import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from './errors.ts';

/**
 * Uniquely identifies a process on this machine: process ids are reused, but never with the same start time in the same
 * boot.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between boot and the start of the process. */
  readonly startTime: string;
  readonly bootId: string;
}

/** A program to start directly, without a shell. */
export interface ProgramCommand {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** The file that its output is appended to. */
  readonly log: string;
}

/**
 * Field 22 of `/proc/PID/stat`, or undefined for a zombie process. The second field is the program's name, which may
 * contain spaces and parentheses.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
export function parseStartTime(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  return state === 'Z' || state === 'X' ? undefined : fields[19];
}

/** Identifies a running process; returns undefined if none has this id. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch (cause) {
    // ESRCH: it exited between open and read.
    if (cause instanceof Error && 'code' in cause && ['ENOENT', 'ESRCH'].includes(String(cause.code)))
      return undefined;
    throw new EngineError('STATE', `/proc/${pid}/stat: can't be read`, { cause });
  }
  const startTime = parseStartTime(stat);
  if (startTime === undefined) return undefined;
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return { pid, startTime, bootId };
}

/** Whether exactly this process is still running. */
export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  const found = await identifyProcess(identity.pid);
  return found !== undefined && found.startTime === identity.startTime && found.bootId === identity.bootId;
}

/** Starts a program that outlives this one, in its own session. Throws START_FAILED if it can't be run. */
export async function startProgram(command: ProgramCommand): Promise<ProcessIdentity> {
  const log = await open(command.log, 'a', 0o640);
  try {
    const child = spawn(command.file, [...command.args], {
      cwd: '/',
      env: command.env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) =>
        reject(new EngineError('START_FAILED', `${command.name}: ${command.file} can't be run`, { cause })),
      );
    });
    child.unref();
    const identity = child.pid === undefined ? undefined : await identifyProcess(child.pid);
    if (identity === undefined) throw await startFailure(command, 'exited immediately');
    return identity;
  } finally {
    await log.close();
  }
}

/** Waits until a started program answers. Throws START_FAILED, with the end of its log, if it exits or stays silent. */
export async function waitUntilReady(
  command: ProgramCommand,
  identity: ProcessIdentity,
  answers: () => Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await answers())) {
    if (!(await isRunning(identity))) throw await startFailure(command, 'exited before it was ready');
    if (Date.now() > deadline) throw await startFailure(command, `not ready after ${timeoutMs / 1000} s`);
    await delay(100);
  }
}

/**
 * Stops exactly this process with SIGTERM and waits until it is gone; returns false if it was not running. Never uses
 * SIGKILL: a killed daemon leaves containers and mounts behind. Throws STOP_FAILED after the timeout.
 */
export async function stopProcess(
  name: string,
  identity: ProcessIdentity,
  timeoutMs: number,
): Promise<boolean> {
  if (!(await isRunning(identity))) return false;
  process.kill(identity.pid, 'SIGTERM');
  const deadline = Date.now() + timeoutMs;
  while (await isRunning(identity)) {
    if (Date.now() > deadline) {
      throw new EngineError(
        'STOP_FAILED',
        `${name}: process ${identity.pid} did not exit within ${timeoutMs / 1000} s of SIGTERM`,
        {
          hint: 'See its log. If nothing of value runs in it, run: kill -KILL PID, then run down again.',
        },
      );
    }
    await delay(100);
  }
  return true;
}

async function startFailure(command: ProgramCommand, problem: string): Promise<EngineError> {
  const log = await readFile(command.log, 'utf8');
  const end = log.trimEnd().split('\n').slice(-8).join('\n');
  return new EngineError('START_FAILED', `${command.name}: ${problem}\n${end}`, {
    hint: `Full log: ${command.log}`,
  });
}
