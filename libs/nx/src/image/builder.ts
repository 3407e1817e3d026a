import type { Descriptor } from '@prebuilt/oci';
import type { ReleaseImage } from './release-images.ts';

/** A way to make images. All of them give the same diffIDs and the same configuration for the same plan. */
export interface ImageBuilder {
  /**
   * Puts the blobs of the image of one platform into the builder's folder of blobs; gives the descriptor of its manifest,
   * with the platform. Throws `ARTIFACT_CHANGED` where a file has another content than was verified, `BUILDER` where the
   * image can't be made, and the reason of the builder's signal where it was stopped.
   */
  build(release: ReleaseImage): Promise<Descriptor>;
}
