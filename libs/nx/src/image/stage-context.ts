import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BuildContext } from './context.ts';

/**
 * Copies a context's files, and nothing else, into a folder, as reflinks if the file system supports them, but never as
 * hard links. Sets the context's modes regardless of the umask, and every time to `time` (seconds since 1970), since
 * builders use the modes and times they find.
 */
export async function stageContext(context: BuildContext, folder: string, time: number): Promise<void> {
  const folders = new Set(['']);
  const modes = new Map(context.folders.map(({ path, mode }) => [path, mode]));
  for (const path of [...modes.keys(), ...context.files.map((file) => dirname(file.path))]) {
    for (let each = path; each !== '.' && each !== ''; each = dirname(each)) folders.add(each);
  }
  const sorted = [...folders].sort();
  for (const path of sorted) {
    await mkdir(join(folder, path), { recursive: true });
    await chmod(join(folder, path), modes.get(path) ?? 0o755);
  }
  for (const { path, source, mode } of context.files) {
    const target = join(folder, path);
    await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(target, mode);
    await utimes(target, time, time);
  }
  for (const path of sorted.reverse()) await utimes(join(folder, path), time, time);
}
