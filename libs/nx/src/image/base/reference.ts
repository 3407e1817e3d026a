import { type Digest, formatImageReference, type ImageRepository, parseImageReference } from '@prebuilt/oci';
import type { Dockerfile } from '../../dockerfile/instructions.ts';
import { type Lock, lacking } from '../../lock/lock.ts';

/** The image that another one starts from, pinned. */
export interface BaseReference extends ImageRepository {
  /** As the Dockerfile writes it. */
  readonly name: string;
  readonly digest: Digest;
  /** In full: `registry/repository[:tag]@digest`. */
  readonly reference: string;
}

/** How the lock names an image: in full, with its tag, which defaults to `latest`. Throws `INVALID_REFERENCE`. */
export function lockedName(image: string): string {
  const { tag = 'latest', digest: _, ...repository } = parseImageReference(image);
  return formatImageReference({ ...repository, tag });
}

/**
 * The image that a Dockerfile starts from, by the digest that it gives itself, or else by that of the lock; undefined for
 * `scratch`. Throws `INVALID_REFERENCE`, and `LOCKFILE` where the lock has no line of the image.
 */
export function pinnedBase(
  { from }: { readonly from: Pick<Dockerfile['from'], 'image'> },
  lock: Lock,
): BaseReference | undefined {
  const { image } = from;
  if (image === 'scratch') return undefined;
  const { registry, repository, tag, digest: given } = parseImageReference(image);
  const digest = given ?? (lock.images?.[lockedName(image)] as Digest | undefined);
  if (digest === undefined) throw lacking(`the digest of ${lockedName(image)}, which the image starts from`);
  const named = { registry, repository, ...(given === undefined && { tag: tag ?? 'latest' }), digest };
  return { name: image, registry, repository, digest, reference: formatImageReference({ tag, ...named }) };
}
