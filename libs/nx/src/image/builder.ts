import type { Descriptor } from '@prebuilt/oci';
import type { ReleaseImage } from './release-images.ts';

/** Builds images. All implementations produce the same diffIDs and configuration for the same plan. */
export interface ImageBuilder {
  /**
   * Writes the blobs of one platform's image to the builder's blob folder, and returns its manifest's descriptor with
   * the platform. Throws `ARTIFACT_CHANGED` if a file's content differs from what was verified, `BUILDER` if the image
   * can't be built, and the reason of the builder's signal if aborted.
   */
  build(release: ReleaseImage): Promise<Descriptor>;
}
