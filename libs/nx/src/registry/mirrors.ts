import { type ImageRepository, parseImageRepository } from '@prebuilt/oci';
import { PrebuiltError } from '../errors.ts';

/** The environment variable that lists mirrors. */
export const MIRRORS_VARIABLE = 'REGISTRY_MIRRORS';

/**
 * The mirrors to try before a repository's own registry, in order. `text` is the value of `REGISTRY_MIRRORS`, separated
 * by commas: `mirror.example` or `mirror.example/path` for Docker Hub, as in Docker's `registry-mirrors`, and
 * `quay.io=mirror.example/quay` for another registry. Throws `INVALID_OPTIONS`.
 * https://docs.docker.com/docker-hub/image-library/mirror/
 */
export function mirrorsOf(
  text: string | undefined,
  { registry, repository }: ImageRepository,
): readonly ImageRepository[] {
  const entries = (text ?? '').split(',').map((each) => each.trim());
  return entries
    .filter((entry) => entry !== '')
    .map(parseEntry)
    .filter((entry) => entry.of === registry)
    .map(({ place }) => parseImageRepository(`${place}/${repository}`));
}

function parseEntry(entry: string): { readonly of: string; readonly place: string } {
  const [, of = 'docker.io', named = ''] = /^(?:([^=]*)=)?(.*)$/.exec(entry) ?? [];
  const place = named.replace(/^https:\/\//, '').replace(/\/+$/, '');
  const [host = ''] = place.split('/', 1);
  const isHost = /[.:]/.test(host) || host === 'localhost';
  try {
    // Every reference to the mirror must start with the mirror's own host.
    if (isHost && of !== '' && parseImageRepository(`${place}/a/b`).registry === host) return { of, place };
  } catch {}
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `${MIRRORS_VARIABLE}: expected a host with an optional path, as in mirror.example/hub or quay.io=mirror.example, found ${JSON.stringify(entry.slice(0, 200))}`,
    { hint: 'Mirrors are read over HTTPS, and over HTTP only on this machine.' },
  );
}
