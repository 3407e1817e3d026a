import { type Digest, formatImageReference, type ImageRepository, parseImageReference } from '@prebuilt/oci';
import type { Dockerfile } from '../../dockerfile/instructions.ts';
import { type Lock, lacking } from '../../lock/lock.ts';

/** A pinned base image. */
export interface BaseReference extends ImageRepository {
  /** The name as written in the Dockerfile. */
  readonly name: string;
  readonly digest: Digest;
  /** The full reference: `registry/repository[:tag]@digest`. */
  readonly reference: string;
}

/** A pinned image that a Dockerfile uses in addition to its base. */
export interface PinnedImage {
  /** The name as written in the Dockerfile. */
  readonly name: string;
  /** The full reference: `registry/repository[:tag]@digest`. */
  readonly reference: string;
}

/**
 * Pins the other images that a Dockerfile uses, and its frontend, like `pinnedBase`. Throws the same errors.
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

/** The images of a Dockerfile other than its base. */
export interface PinnedImages {
  readonly images: readonly PinnedImage[];
  readonly frontend?: PinnedImage;
}

/** An image's name in the lock: the full reference with a tag, by default `latest`. Throws `INVALID_REFERENCE`. */
export function lockedName(image: string): string {
  const { tag = 'latest', digest: _, ...repository } = parseImageReference(image);
  return formatImageReference({ ...repository, tag });
}

/**
 * A Dockerfile's base image, by the digest in the Dockerfile, or else by that in the lock; undefined for `scratch`.
 * Throws `INVALID_REFERENCE`, and `LOCKFILE` if the lock has no entry for the image.
 */
export function pinnedBase(
  { from }: { readonly from: Pick<Dockerfile['from'], 'image'> },
  lock: Lock,
): BaseReference | undefined {
  const { image } = from;
  if (image === 'scratch') return undefined;
  const { registry, repository, tag, digest: given } = parseImageReference(image);
  const digest = given ?? (lock.images?.[lockedName(image)] as Digest | undefined);
  if (digest === undefined) throw lacking(`the digest of ${lockedName(image)}, which the Dockerfile uses`);
  const named = { registry, repository, ...(given === undefined && { tag: tag ?? 'latest' }), digest };
  return { name: image, registry, repository, digest, reference: formatImageReference({ tag, ...named }) };
}
