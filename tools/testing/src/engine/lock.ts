import { open, readFile, rm } from 'node:fs/promises';
import { EngineError } from './errors.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from './processes.ts';

/**
 * Does the work while no other `up` or `down` is running. Ignores the lock of a process that has exited. Throws BUSY
 * while another one is running.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  await takeLock(path);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function takeLock(path: string): Promise<void> {
  for (const last of [false, true]) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(JSON.stringify(await identifyProcess(process.pid)));
      await file.close();
      return;
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause;
      const holder = await readHolder(path);
      if (last || holder === undefined || (await isRunning(holder))) {
        throw new EngineError(
          'BUSY',
          `${path}: another up or down is running (process ${holder?.pid ?? 'unknown'})`,
          {
            hint: `Wait for it. If none is running, remove ${path}.`,
            cause,
          },
        );
      }
      await rm(path, { force: true });
    }
  }
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const { pid, startTime, bootId } = JSON.parse(await readFile(path, 'utf8')) as Partial<ProcessIdentity>;
    return pid === undefined || startTime === undefined || bootId === undefined
      ? undefined
      : { pid, startTime, bootId };
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}
