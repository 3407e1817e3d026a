import type { Readable } from 'node:stream';
import type { Descriptor } from '../descriptor.ts';
import type { Digest } from '../digest.ts';
import { OciError } from '../errors.ts';
import type { ImageSource } from './image-reading.ts';

/**
 * A source that reads from the first of several registries that has the content: the mirrors in order, then the origin
 * that they mirror. All content is checked against its digest, wherever it comes from; what a tag points to is up to
 * the registry that answers. If a mirror fails, the next registry is asked and `onPassed` is called with the reason;
 * the last one's error is thrown. The same applies if, at the end of a blob, a mirror turns out to have served a wrong
 * one: `attempt` then repeats its work.
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
        // Each time, one fewer mirror is asked for that blob.
        if (!(error instanceof OciError && blamed.delete(error))) throw error;
      }
    }
  }

  return {
    getManifest: (reference) => first((source) => source.getManifest(reference)),
    readBlob: (descriptor, limit) => first((source) => source.readBlob(descriptor, limit)),
    // Opening is a single try; a mirror that is down now is asked again the next time.
    openBlob: (descriptor) =>
      first(
        (source) => openBlob(source, descriptor),
        mirrors.filter((mirror) => wrong.get(mirror)?.has(descriptor.digest) !== true),
      ),
    attempt: (operation, work) => origin.attempt(operation, () => again(work)),
  };
}
