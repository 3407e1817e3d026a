import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DockerFacts, readDockerKey } from '../../image/builder-facts.ts';
import { readPackageFacts } from '../../image/package-facts.ts';
import { readLock } from '../../lock/lock.ts';
import type { KeyFacts } from '../key-facts.ts';
import type { ProjectContext } from '../project-context.ts';
import type { DockerReleaseOptions } from './options.ts';

type KeyOptions = Partial<DockerReleaseOptions>;

/** The options that the machine facts depend on. */
export const machineOptions = ['builder', 'builderName'] as const;

/**
 * The facts about this machine: which builder packs the image, with its versions and the engine's. The daemonless one
 * gives the same image everywhere.
 */
export async function readMachineFacts({
  builder = 'auto',
  builderName,
}: KeyOptions): Promise<DockerFacts | undefined> {
  if (builder === 'daemonless') return undefined;
  return readDockerKey(builder, builderName, process.env);
}

/**
 * What an image depends on besides the files that Nx knows about and the machine facts: the Dockerfile, wherever the
 * options put it, the base and other images by digest, and the sources of the labels.
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

// Includes the content, since the target's inputs only cover the project's own Dockerfile, and the command line may
// name another.
async function readDockerfileFacts(dockerfile: string, root: string): Promise<object> {
  const bytes = await readFile(join(root, dockerfile));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const text = bytes.toString('utf8');
  const from = text.match(/^\s*FROM\b.*$/gim) ?? [];
  const isAlone = from.length === 1 && /^\s*FROM\s+scratch\s*$/i.test(from[0] ?? '');
  if (isAlone && !/from=|^#\s*syntax/im.test(text)) return { dockerfile: sha256 };
  // Loaded only if there is something to look up.
  const [{ readDockerfile }, { pinnedBase, pinnedImages }] = await Promise.all([
    import('../../dockerfile/read-dockerfile.ts'),
    import('../../image/base/reference.ts'),
  ]);
  const parsed = readDockerfile(bytes, dockerfile);
  const lock = await readLock(root);
  const base = pinnedBase(parsed, lock)?.reference;
  return { dockerfile: sha256, base, ...pinnedImages(parsed, lock) };
}
