import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DockerFacts, readDockerFacts } from '../../image/builder-facts.ts';
import { readPackageFacts } from '../../image/package-facts.ts';
import { readLock } from '../../lock/lock.ts';
import type { KeyFacts } from '../key-facts.ts';
import type { ProjectContext } from '../project-context.ts';
import type { DockerReleaseOptions } from './options.ts';

type KeyOptions = Partial<DockerReleaseOptions>;

/** The options that the machine's part depends on. */
export const machineOptions = ['builder', 'builderName'] as const;

/** What is known about this machine alone: which builder packs the image, with its versions and those of the engine. */
export function readMachineFacts({ builder = 'auto', builderName }: KeyOptions): Promise<DockerFacts> {
  return readDockerFacts(builder, builderName);
}

/**
 * What an image depends on beyond the files that Nx knows of and the machine's part: the Dockerfile wherever the options
 * say it is, the base and other images by their digests, and what the labels are read from.
 */
export async function readKeyFacts(options: KeyOptions, { root }: ProjectContext): Promise<KeyFacts> {
  const [{ repository, license }, dockerfile] = await Promise.all([
    readPackageFacts(join(root, 'package.json')),
    options.dockerfile === undefined ? undefined : readDockerfileFacts(options.dockerfile, root),
  ]);
  const labels = {
    repository: options.imageSource ?? repository,
    license: options.imageLicenses ?? license,
  };
  return { files: { ...dockerfile, ...labels }, rest: async () => undefined };
}

// Its content, since the inputs of the target name the project's own alone: another may be given on the command line.
async function readDockerfileFacts(dockerfile: string, root: string): Promise<object> {
  const bytes = await readFile(join(root, dockerfile));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const text = bytes.toString('utf8');
  const from = text.match(/^\s*FROM\b.*$/gim) ?? [];
  const isAlone = from.length === 1 && /^\s*FROM\s+scratch\s*$/i.test(from[0] ?? '');
  if (isAlone && !/from=|^#\s*syntax/im.test(text)) return { dockerfile: sha256 };
  // Loaded where there is something to look up.
  const [{ readDockerfile }, { pinnedBase, pinnedImages }] = await Promise.all([
    import('../../dockerfile/read-dockerfile.ts'),
    import('../../image/base/reference.ts'),
  ]);
  const parsed = readDockerfile(bytes, dockerfile);
  const lock = await readLock(root);
  const base = pinnedBase(parsed, lock)?.reference;
  return { dockerfile: sha256, base, ...pinnedImages(parsed, lock) };
}
