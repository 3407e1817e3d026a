import type { Descriptor } from '@prebuilt/oci';
import type { Platform } from '../artifacts/platform.ts';
import type { ReleaseImage } from './release-images.ts';

/** Builds images. All implementations produce the same layers and configuration for the same plan. */
export interface ImageBuilder {
  /**
   * Writes the blobs of one platform's image to the builder's blob folder, and returns its manifest's descriptor with
   * the platform. Throws `ARTIFACT_CHANGED` if a file's content differs from what was verified, `BUILDER` if the image
   * can't be built, and the reason of the builder's signal if aborted.
   */
  build(release: ReleaseImage): Promise<Descriptor>;
}

/** The progress of packing a layer, whose number starts from 1. Sizes are in bytes of the tar file. */
export interface LayerProgress {
  readonly platform: Platform;
  readonly layer: number;
  readonly layers: number;
  readonly done: number;
  readonly total: number;
}

/** Returns a function that counts a layer's bytes and reports its progress, which it also does at once. */
export function countBytes(
  layer: Omit<LayerProgress, 'done'>,
  report: ((progress: LayerProgress) => void) | undefined,
): (bytes: number) => void {
  let done = 0;
  const count = (bytes: number): void => {
    done += bytes;
    report?.({ ...layer, done });
  };
  count(0);
  return count;
}
