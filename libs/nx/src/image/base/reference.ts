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

/** An image that a Dockerfile names beside its base, pinned. */
export interface PinnedImage {
  /** As the Dockerfile writes it. */
  readonly name: string;
  /** In full: `registry/repository[:tag]@digest`. */
  readonly reference: string;
}

/**
 * The other images that a Dockerfile names, and the one that reads it, pinned as `pinnedBase` does. Throws what that
 * throws.
 */
export function pinnedImages(
  { images, frontend }: Pick<Dockerfile, 'images' | 'frontend'>,
  lock: Lock,
): PinnedImages {
  const pin = (image: string): PinnedImage => {
    const { name, reference } = pinnedBase({ from: { image } }, lock) ?? { name: image, reference: image };
    return { name, reference };
  };
  return {
    images: images.map(({ image }) => pin(image)),
    ...(frontend !== undefined && { frontend: pin(frontend.image) }),
  };
}

/** The images of a Dockerfile beside its base. */
export interface PinnedImages {
  readonly images: readonly PinnedImage[];
  readonly frontend?: PinnedImage;
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
  if (digest === undefined) throw lacking(`the digest of ${lockedName(image)}, which the Dockerfile names`);
  const named = { registry, repository, ...(given === undefined && { tag: tag ?? 'latest' }), digest };
  return { name: image, registry, repository, digest, reference: formatImageReference({ tag, ...named }) };
}
