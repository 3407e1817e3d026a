import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sha256OfFile } from '../../files/hash.ts';
import { versionFromFacts } from '../../version/build-version.ts';
import { readVersionFacts } from '../../version/facts.ts';
import { type ProjectContext, tagPatternFor } from '../project-context.ts';
import type { BuildBinariesOptions } from './options.ts';

/**
 * What a build depends on beyond the workspace's files: the version with its commit, and the libraries of the sysroots.
 * Throws what the version's facts throw.
 */
export async function readKeyFacts(
  { sysroot = '.cache/sysroots' }: Partial<BuildBinariesOptions>,
  context: ProjectContext,
): Promise<unknown> {
  const [facts, libraries] = await Promise.all([
    readVersionFacts(context.root, process.env, tagPatternFor(context)),
    hashLibraries(resolve(context.root, sysroot)),
  ]);
  return { version: versionFromFacts(facts), libraries };
}

async function hashLibraries(folder: string): Promise<readonly (readonly [string, string])[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const libraries = entries
    .filter((entry) => entry.isFile() && /\.so(\.|$)/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return Promise.all(
    libraries.map(async (path) => [path.slice(folder.length), await sha256OfFile(path)] as const),
  );
}
