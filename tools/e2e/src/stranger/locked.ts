import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runOk } from '../testing/workspace.ts';

/**
 * Gives a workspace another one's lock and what that pins, so that it starts like a CI job. The cache is hard-linked:
 * its content was fetched by hash, and nothing modifies it in place.
 */
export async function copyLocked(from: string, to: string): Promise<void> {
  await copyFile(join(from, LOCK), join(to, LOCK));
  await runOk(to, 'cp', ['--archive', '--link', join(from, '.cache'), to]);
}

const LOCK = 'prebuilt.lock.json';
