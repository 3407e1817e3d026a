import { type ImageRepository, parseImageRepository } from '@prebuilt/oci';
import { PrebuiltError } from '../errors.ts';

/** The variable that names mirrors. */
export const MIRRORS_VARIABLE = 'REGISTRY_MIRRORS';

/**
 * Where a repository may be read from before its own registry, in order. `text` is what `REGISTRY_MIRRORS` holds, separated
 * by commas: `mirror.example` or `mirror.example/path` for Docker Hub, as Docker's `registry-mirrors` has it, and
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
    // Whatever a mirror is asked for, its own name comes first.
    if (isHost && of !== '' && parseImageRepository(`${place}/a/b`).registry === host) return { of, place };
  } catch {}
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `${MIRRORS_VARIABLE}: expected a host with an optional path, as in mirror.example/hub or quay.io=mirror.example, found ${JSON.stringify(entry.slice(0, 200))}`,
    { hint: 'Mirrors are read over HTTPS, and over HTTP only on this machine.' },
  );
}
