import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { runOk, THIS_WORKSPACE } from './workspace.ts';

const CACHE = '.nx/cache';
const INDEX = '.nx/workspace-data';

/**
 * Gives a clone of this workspace what Nx has cached here for one target. The keys are hashes of all inputs, so the
 * clone only uses what it would have made itself.
 */
export async function copyTaskCache(root: string, target: string): Promise<void> {
  const index = join(THIS_WORKSPACE, INDEX);
  const names = existsSync(index) ? (await readdir(index)).filter((name) => name.endsWith('.db')) : [];
  await Promise.all([CACHE, INDEX].map((name) => mkdir(join(root, name), { recursive: true })));
  for (const name of names) {
    const copy = join(root, INDEX, name);
    // Consistent even while Nx is writing to it.
    inDatabase(join(index, name), (database) => database.prepare('VACUUM INTO ?').run(copy));
    const query =
      'SELECT hash FROM cache_outputs JOIN task_details USING (hash) WHERE code = 0 AND target = ?';
    const rows = inDatabase(copy, (database) => database.prepare(query).all(target));
    const found = rows.map(({ hash }) => join(THIS_WORKSPACE, CACHE, String(hash))).filter(existsSync);
    // Nx copies files from its cache, and never modifies them there.
    if (found.length > 0) await runOk(root, 'cp', ['--archive', '--link', ...found, CACHE]);
  }
}

function inDatabase<T>(path: string, use: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path);
  try {
    return use(database);
  } finally {
    database.close();
  }
}
