import { formatImageReference, type ImageRepository, parseImageRepository } from '@prebuilt/oci';
import { PrebuiltError } from '../../errors.ts';
import type { DockerPublishOptions } from './options.ts';

/** The repositories in the option, in the given order. Throws `INVALID_REFERENCE` or `INVALID_OPTIONS`. */
export function parseRepositories(image: DockerPublishOptions['image']): readonly ImageRepository[] {
  const texts = (typeof image === 'string' ? image.split(',') : (image ?? [])).map((text) => text.trim());
  if (texts.length === 0) {
    throw new PrebuiltError('INVALID_OPTIONS', 'image: expected the repository to publish to, found none', {
      hint: 'Set image.repository in prebuilt.json, or the plugin’s option "repository" in nx.json, or give --image=ghcr.io/acme/server.',
    });
  }
  const repositories = texts.map(parseImageRepository);
  const names = repositories.map(formatImageReference);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new PrebuiltError('INVALID_OPTIONS', `image: ${twice} is named more than once`);
  return repositories;
}
