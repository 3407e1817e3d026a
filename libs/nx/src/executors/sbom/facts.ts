import { join } from 'node:path';
import { sha256OfFile } from '../../files/hash.ts';
import type { ProjectContext } from '../project-context.ts';

/** What a bill of materials depends on beyond the build: the lockfile, where licenses are read. */
export async function readKeyFacts(_: unknown, { root }: ProjectContext): Promise<unknown> {
  return { lockfile: await sha256OfFile(join(root, 'package-lock.json')).catch(() => undefined) };
}
