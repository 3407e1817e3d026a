import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from './errors.ts';

/**
 * A process of this machine, named so that it can't be mistaken: a process id is used again after its process has
 * ended, but never with the same start time in the same boot.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between boot and the start of the process. */
  readonly startTime: string;
  readonly bootId: string;
}

/** A program to start: run as it is, through no shell. */
export interface ProgramCommand {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Where its output is appended. */
  readonly log: string;
}

/**
 * Field 22 of `/proc/PID/stat`, or undefined where the process is only waiting to be reaped. The second field is the
 * program's name, which may hold blanks and parentheses.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
export function parseStartTime(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  return state === 'Z' || state === 'X' ? undefined : fields[19];
}

/** Names a running process, or returns undefined where none has this id. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch (cause) {
    // ESRCH: it ended between open and read.
    if (cause instanceof Error && 'code' in cause && ['ENOENT', 'ESRCH'].includes(String(cause.code)))
      return undefined;
    throw new EngineError('STATE', `/proc/${pid}/stat: can't be read`, { cause });
  }
  const startTime = parseStartTime(stat);
  if (startTime === undefined) return undefined;
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return { pid, startTime, bootId };
}

/** Whether this very process still runs. */
export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  const found = await identifyProcess(identity.pid);
  return found !== undefined && found.startTime === identity.startTime && found.bootId === identity.bootId;
}

/** Starts a program that outlives this one, in a session of its own. Throws START_FAILED where it can't be run. */
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
    if (identity === undefined) throw await startFailure(command, 'ended at once');
    return identity;
  } finally {
    await log.close();
  }
}

/** Waits until a started program answers. Throws START_FAILED, with the end of its log, if it ends or stays silent. */
export async function waitUntilReady(
  command: ProgramCommand,
  identity: ProcessIdentity,
  answers: () => Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await answers())) {
    if (!(await isRunning(identity))) throw await startFailure(command, 'ended before it was ready');
    if (Date.now() > deadline) throw await startFailure(command, `not ready after ${timeoutMs / 1000} s`);
    await delay(100);
  }
}

/**
 * Ends this very process by SIGTERM and waits until it is gone; returns false where it had ended before. Never kills
 * harder: a daemon killed so leaves containers and mounts behind. Throws STOP_FAILED after the timeout.
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
        `${name}: expected process ${identity.pid} to end within ${timeoutMs / 1000} s of SIGTERM, but it is still running`,
        {
          hint: 'See its log; when nothing of value runs in it, end it with: kill -KILL PID, then run down again.',
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
    hint: `Its whole log: ${command.log}`,
  });
}
