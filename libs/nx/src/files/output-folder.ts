import { existsSync, rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { withInterrupt } from '../process/interrupt.ts';

/**
 * Fills a folder beside its final place and puts it there by rename once `fill` has succeeded, so that readers
 * see the former folder or the new one, never a part. A failure or a signal leaves the former folder and no
 * temporary one; what a killed process left behind is removed by the next call. `fill` gets the temporary
 * folder and a signal that is aborted when the process is asked to end; asked a second time, it ends at once.
 */
export async function replaceFolder<T>(
  target: string,
  fill: (temporary: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await mkdir(dirname(target), { recursive: true });
  await removeAbandoned(target);
  const temporary = await mkdtemp(join(dirname(target), `.${basename(target)}-${process.pid}-`));
  await chmod(temporary, 0o755);
  const onExit = (): void => rmSync(temporary, { recursive: true, force: true });
  process.once('exit', onExit);
  try {
    return await withInterrupt(async (signal) => {
      const result = await fill(temporary, signal);
      signal.throwIfAborted();
      await swap(temporary, target);
      return result;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
    process.off('exit', onExit);
  }
}

async function swap(temporary: string, target: string): Promise<void> {
  if (!existsSync(target)) {
    await rename(temporary, target);
    return;
  }
  const former = `${temporary}-former`;
  await rename(target, former);
  try {
    await rename(temporary, target);
  } catch (error) {
    await rename(former, target);
    throw error;
  }
  await removeSideBySide(former);
}

// Giving the memory and the blocks of a large file back takes the kernel a while, for each on one processor.
async function removeSideBySide(folder: string): Promise<void> {
  const names = await readdir(folder);
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
  await rm(folder, { recursive: true, force: true });
}

async function removeAbandoned(target: string): Promise<void> {
  const pattern = new RegExp(`^\\.${RegExp.escape(basename(target))}-(\\d+)-[A-Za-z0-9]+(-former)?$`);
  for (const name of await readdir(dirname(target))) {
    const pid = pattern.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const former = name.endsWith('-former') && !existsSync(target);
    if (former) await rename(join(dirname(target), name), target);
    else await rm(join(dirname(target), name), { recursive: true, force: true });
  }
}
