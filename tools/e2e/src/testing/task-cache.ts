import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { runOk, THIS_WORKSPACE } from './workspace.ts';

const CACHE = '.nx/cache';
const DATA = '.nx/workspace-data';

/** Gives a clone of this workspace the task results that Nx has cached here. Their keys are hashes of all inputs. */
export async function copyTaskCache(root: string): Promise<void> {
  const [cache, data] = [CACHE, DATA].map((name) => join(THIS_WORKSPACE, name)) as [string, string];
  if (!existsSync(cache) || !existsSync(data)) return;
  await mkdir(join(root, DATA), { recursive: true });
  // First the index, so that nothing in it is missing from the cache.
  for (const name of (await readdir(data)).filter((each) => each.endsWith('.db'))) {
    const database = new DatabaseSync(join(data, name));
    try {
      // Consistent, even if Nx is writing to it.
      database.prepare('VACUUM INTO ?').run(join(root, DATA, name));
    } finally {
      database.close();
    }
  }
  // Nx copies from its cache and replaces files in it, but never modifies them in place.
  await runOk(root, 'cp', ['--archive', '--link', cache, join(root, '.nx')]);
}
