import type { Readable } from 'node:stream';
import type { Descriptor } from '../descriptor.ts';
import type { Digest } from '../digest.ts';
import { OciError } from '../errors.ts';
import type { ImageSource } from './image-reading.ts';

/**
 * A source that reads from the first of several that has what is asked for: mirrors in their order, then the registry that
 * they stand for. All content is held against its digest, wherever it comes from; what a tag names is the word of the one
 * that answers. Where a mirror fails, the next place is asked and `onPassed` is told why; the last one's error is thrown. So
 * it is where a mirror turns out at the end of a blob to have given another: `attempt` then does its work again.
 * https://docs.docker.com/docker-hub/image-library/mirror/
 */
export function withMirrors(
  mirrors: readonly ImageSource[],
  origin: ImageSource,
  onPassed: (message: string) => void = () => {},
): ImageSource {
  const wrong = new Map(mirrors.map((mirror) => [mirror, new Set<Digest>()]));
  const blamed = new WeakSet<Error>();

  async function first<T>(
    read: (source: ImageSource) => Promise<T>,
    from: readonly ImageSource[] = mirrors,
  ): Promise<T> {
    for (const mirror of from) {
      try {
        return await read(mirror);
      } catch (error) {
        if (!(error instanceof OciError)) throw error;
        onPassed(error.message);
      }
    }
    return read(origin);
  }

  async function openBlob(source: ImageSource, descriptor: Descriptor): Promise<Readable> {
    const content = await source.openBlob(descriptor);
    content.once('error', (error) => {
      if (source === origin || !(error instanceof OciError)) return;
      wrong.get(source)?.add(descriptor.digest);
      blamed.add(error);
      onPassed(error.message);
    });
    return content;
  }

  async function again<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        // Each time one mirror less is asked for that blob.
        if (!(error instanceof OciError && blamed.delete(error))) throw error;
      }
    }
  }

  return {
    getManifest: (reference) => first((source) => source.getManifest(reference)),
    readBlob: (descriptor, limit) => first((source) => source.readBlob(descriptor, limit)),
    // Opening is one try; a mirror that is down now is asked again by the next.
    openBlob: (descriptor) =>
      first(
        (source) => openBlob(source, descriptor),
        mirrors.filter((mirror) => wrong.get(mirror)?.has(descriptor.digest) !== true),
      ),
    attempt: (operation, work) => origin.attempt(operation, () => again(work)),
  };
}
