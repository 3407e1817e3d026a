import { existsSync, rmSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { isRunning } from '../process/host.ts';
import { withInterrupt } from '../process/interrupt.ts';

/**
 * Fills a temporary folder next to the target and renames it into place once `fill` has succeeded, so that readers see
 * either the old folder or the new one, never a mix. After a failure or a signal, the old folder remains, and the
 * temporary folder and any newly created parents are removed; the next call removes what a killed process left behind.
 * `fill` gets the temporary folder and a signal that is aborted when the process is asked to exit; when asked a second
 * time, it exits immediately. Throws `OUTPUT`, and removes nothing, if the target is a link or a file, or contains a
 * name that doesn't match `holds`: then it wasn't created here.
 */
export async function replaceFolder<T>(
  target: string,
  holds: RegExp,
  fill: (temporary: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const made = await mkdir(dirname(target), { recursive: true });
  try {
    return await replaceInside(target, holds, fill);
  } catch (error) {
    if (made !== undefined) await removeEmpty(dirname(target), made);
    throw error;
  }
}

async function replaceInside<T>(
  target: string,
  holds: RegExp,
  fill: (temporary: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await removeAbandoned(target);
  await checkReplaceable(target, holds);
  // Handle signals before the folder exists, so that an interrupt never leaves it behind.
  return withInterrupt(async (signal) => {
    const temporary = await mkdtemp(join(dirname(target), `.${basename(target)}-${process.pid}-`));
    const onExit = (): void => rmSync(temporary, { recursive: true, force: true });
    process.once('exit', onExit);
    try {
      await chmod(temporary, 0o755);
      const result = await fill(temporary, signal);
      signal.throwIfAborted();
      await checkReplaceable(target, holds);
      await swap(temporary, target);
      return result;
    } finally {
      await rm(temporary, { recursive: true, force: true });
      process.off('exit', onExit);
    }
  });
}

// Removes the created folders, from the last up to the first, unless something else has been put into them.
async function removeEmpty(last: string, first: string): Promise<void> {
  for (let folder = last; folder.length >= first.length; folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch {
      return;
    }
  }
}

async function checkReplaceable(target: string, holds: RegExp): Promise<void> {
  const found = await lstat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isDirectory()) {
    const kind = found.isSymbolicLink() ? 'a symbolic link' : 'no folder';
    throw new PrebuiltError('OUTPUT', `${target}: expected a folder to replace, found ${kind}`, {
      hint: 'Nothing was changed. Remove it, or choose another outputPath.',
    });
  }
  const stranger = (await readdir(target)).find((name) => !holds.test(name));
  if (stranger !== undefined) {
    throw new PrebuiltError(
      'OUTPUT',
      `${target}: expected a folder with only this target’s output, found ${JSON.stringify(stranger)}`,
      {
        hint: 'Nothing was changed. The whole folder would be replaced: choose another outputPath, or move the file.',
      },
    );
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

// Freeing a large file's memory and blocks takes the kernel a while, and uses one processor per file.
async function removeSideBySide(folder: string): Promise<void> {
  const names = await readdir(folder);
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
  await rm(folder, { recursive: true, force: true });
}

async function removeAbandoned(target: string): Promise<void> {
  const prefix = `.${basename(target)}-`;
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(prefix)) continue;
    const pid = /^(\d+)-[A-Za-z0-9]+(-former)?$/.exec(name.slice(prefix.length))?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const former = name.endsWith('-former') && !existsSync(target);
    if (former) await rename(join(dirname(target), name), target);
    else await rm(join(dirname(target), name), { recursive: true, force: true });
  }
}
