import { OciError } from '../errors.ts';
import type { ImageSource } from './image-reading.ts';

/**
 * A source that reads from the first of several that has what is asked for: mirrors in their order, then the registry that
 * they stand for. All content is held against its digest, wherever it comes from; what a tag names is the word of the one
 * that answers. Where a mirror fails, the next place is asked and `onPassed` is told why; the last one's error is thrown. A
 * layer is only opened here: what goes wrong while it is read is its reader's to handle.
 * https://docs.docker.com/docker-hub/image-library/mirror/
 */
export function withMirrors(
  mirrors: readonly ImageSource[],
  origin: ImageSource,
  onPassed: (message: string) => void = () => {},
): ImageSource {
  async function first<T>(read: (source: ImageSource) => Promise<T>): Promise<T> {
    for (const mirror of mirrors) {
      try {
        return await read(mirror);
      } catch (error) {
        if (!(error instanceof OciError)) throw error;
        onPassed(error.message);
      }
    }
    return read(origin);
  }
  return {
    getManifest: (reference) => first((source) => source.getManifest(reference)),
    readBlob: (descriptor, limit) => first((source) => source.readBlob(descriptor, limit)),
    // Opening is one try; a mirror that is down now is asked again by the next.
    openBlob: (descriptor) => first((source) => source.openBlob(descriptor)),
    attempt: (operation, work) => origin.attempt(operation, work),
  };
}
