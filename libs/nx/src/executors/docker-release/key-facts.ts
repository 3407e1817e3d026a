import { join } from 'node:path';
import { type DockerFacts, readDockerFacts } from '../../image/builder-facts.ts';
import { readPackageFacts } from '../../image/sources.ts';
import type { ProjectContext } from '../project-context.ts';
import type { DockerReleaseOptions } from './options.ts';

type KeyOptions = Partial<DockerReleaseOptions>;

/** The options that the machine's part depends on. */
export const machineOptions = ['builder', 'builderName'] as const;

/** What is known of this machine alone: which builder packs the image, with its versions and those of the engine. */
export function readMachineFacts({ builder = 'auto', builderName }: KeyOptions): Promise<DockerFacts> {
  return readDockerFacts(builder, builderName);
}

/** What an image depends on beyond files: the machine's part, and what the labels are read from. */
export async function readKeyFacts(
  options: KeyOptions,
  { root }: ProjectContext,
  machine: Promise<unknown> = readMachineFacts(options),
): Promise<unknown> {
  const [{ repository, license }, docker] = await Promise.all([
    readPackageFacts(join(root, 'package.json')),
    machine,
  ]);
  return {
    docker,
    repository: options.imageSource ?? repository,
    license: options.imageLicenses ?? license,
  };
}
