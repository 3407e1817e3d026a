import { type ChildProcess, spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { probeChannel, probeTitle } from '../probe/protocol.ts';
import { nameProcess } from '../probe/title.ts';
import { probeCommand } from '../probe-command.ts';
import { ConfigError } from './errors.ts';
import { type ConfigText, readConfigFile } from './file.ts';

/** How long the process may take to start and to read, in ms. On a mount that hangs, it would never finish. */
const MAX_READ_MS = 5000;

/** The process's answer; without a file if an optional file does not exist. */
type Answer = { readonly file?: ConfigText } | { readonly problem: string };

/**
 * Processes that did not finish in time, by mount point. No further one is started for a mount until its process exits.
 */
const late = new Map<string, ChildProcess>();

/**
 * Reads a configuration file on a file system that may never answer, in a process that can be abandoned: a read that
 * hangs in this process would block one of its threads and delay its exit. Throws {@link ConfigError}; returns
 * `undefined` only if the file does not exist and `optional` is set.
 */
export async function readElsewhere(
  path: string,
  source: string,
  optional: boolean,
  mountPoint: string,
): Promise<ConfigText | undefined> {
  if (late.has(mountPoint)) throw tooLate(source, mountPoint);
  const { file, args } = probeCommand();
  const child = spawn(file, [...args, path, source, String(optional)], {
    env: {},
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const answer = await readAnswer(child, source);
  if (answer === undefined) {
    if (child.exitCode === null && child.signalCode === null) {
      late.set(mountPoint, child);
      child.once('exit', () => late.delete(mountPoint));
    }
    throw tooLate(source, mountPoint);
  }
  if ('problem' in answer) throw new ConfigError('unreadable', answer.problem);
  return answer.file;
}

/** Returns undefined, and kills the process, if it did not answer in time. */
async function readAnswer(child: ChildProcess, source: string): Promise<Answer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
  const failed = (why: string): void => {
    resolve({ problem: `${source}: the process that reads it ${why}` });
  };
  const timer = setTimeout(() => resolve(undefined), MAX_READ_MS);
  child.once('error', (error) => failed(`could not be started: ${error.message}`));
  // Bun leaves `stdio` undefined if no descriptor is left for the channel.
  const channel = (child.stdio as ChildProcess['stdio'] | undefined)?.[probeChannel] as Readable | undefined;
  if (channel === undefined) failed('could not be started: no descriptor is left for it');
  else {
    text(channel)
      .then((said) => (said === '' ? failed('ended without an answer') : resolve(JSON.parse(said) as Answer)))
      .catch((error: unknown) => failed(`sent invalid output: ${String(error)}`));
  }
  const answer = await promise;
  clearTimeout(timer);
  child.kill('SIGKILL');
  child.unref();
  channel?.destroy();
  return answer;
}

function tooLate(source: string, mountPoint: string): ConfigError {
  return new ConfigError(
    'unreadable',
    `${source}: could not be read within ${MAX_READ_MS / 1000} s; the mount ${mountPoint} may hang`,
  );
}

/** The child's side: reads one file, reports the result on {@link probeChannel}, and exits. */
export function runFileReader(path: string, source: string, optional: boolean): void {
  nameProcess(probeTitle);
  const bytes = Buffer.from(JSON.stringify(answerTo(path, source, optional)));
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(probeChannel, bytes, sent);
}

function answerTo(path: string, source: string, optional: boolean): Answer {
  try {
    const file = readConfigFile(path, source, optional);
    return file === undefined ? {} : { file };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
