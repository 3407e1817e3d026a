import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DockerFacts, readDockerFacts } from '../../image/builder-facts.ts';
import { readPackageFacts } from '../../image/package-facts.ts';
import { readLock } from '../../lock/lock.ts';
import type { ProjectContext } from '../project-context.ts';
import type { DockerReleaseOptions } from './options.ts';

type KeyOptions = Partial<DockerReleaseOptions>;

/** The options that the machine's part depends on. */
export const machineOptions = ['builder', 'builderName'] as const;

/** What is known of this machine alone: which builder packs the image, with its versions and those of the engine. */
export function readMachineFacts({ builder = 'auto', builderName }: KeyOptions): Promise<DockerFacts> {
  return readDockerFacts(builder, builderName);
}

/** What an image depends on beyond files: the machine's part, the base by its digest, and what the labels are read from. */
export async function readKeyFacts(
  options: KeyOptions,
  { root }: ProjectContext,
  machine: Promise<unknown> = readMachineFacts(options),
): Promise<unknown> {
  const [{ repository, license }, docker, base] = await Promise.all([
    readPackageFacts(join(root, 'package.json')),
    machine,
    readBaseFact(options, root),
  ]);
  return {
    docker,
    ...(base !== undefined && { base }),
    repository: options.imageSource ?? repository,
    license: options.imageLicenses ?? license,
  };
}

// The code that reads Dockerfiles is loaded where there is something to look up.
async function readBaseFact({ dockerfile }: KeyOptions, root: string): Promise<string | undefined> {
  if (dockerfile === undefined) return undefined;
  const bytes = await readFile(join(root, dockerfile));
  const from = bytes.toString('utf8').match(/^\s*FROM\b.*$/gim) ?? [];
  if (from.length === 1 && /^\s*FROM\s+scratch\s*$/i.test(from[0] ?? '')) return undefined;
  const [{ readDockerfile }, { pinnedBase }] = await Promise.all([
    import('../../dockerfile/read-dockerfile.ts'),
    import('../../image/base/reference.ts'),
  ]);
  return pinnedBase(readDockerfile(bytes, dockerfile), await readLock(root))?.reference;
}
