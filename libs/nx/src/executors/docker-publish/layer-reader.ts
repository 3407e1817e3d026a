import type { Descriptor, Digest, LayerReading, LayerThreads, ReadEntry } from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import type { ProofReaders } from '../../image/proof.ts';

/** Unpacks the layers of an image layout, each of them once, however many registries it goes to. */
export interface StoredLayers {
  /** The entries of the bytes that have the layer's digest. */
  unpack(reading: LayerReading): Promise<readonly ReadEntry[]>;
}

/** Unpacks layers of the layout in `folder` on the given threads. */
export function createStoredLayers(folder: string, threads: LayerThreads): StoredLayers {
  const readings = new Map<string, Promise<readonly ReadEntry[]>>();
  return {
    unpack(reading) {
      const key = JSON.stringify(reading);
      const known = readings.get(key) ?? threads.read(folder, reading.layer, reading.options);
      readings.set(key, known);
      // It is told to whoever waits for it.
      known.catch(() => {});
      return known;
    },
  };
}

/** Reads layers back from one repository, each of them once. */
/**
 * What is proven of layers that a registry gives: all of a layer is read and has the digest, so it is what was unpacked
 * of the layout under that digest.
 */
export interface LayerReader extends ProofReaders {
  /** Reads a layer that no manifest names yet, where the registry gives it out before; else `own` does, afterwards. */
  readAhead(reading: LayerReading): Promise<void>;
}

/** Reads the layers of a repository, what they hold from `stored`. What was read is not read again. */
export function createLayerReader(client: RepositoryClient, stored: StoredLayers): LayerReader {
  const verified = new Map<Digest, Promise<unknown>>();
  // Platforms may have layers of their bases in common.
  function verify(layer: Descriptor): Promise<unknown> {
    const known = verified.get(layer.digest) ?? client.verifyBlob(layer);
    verified.set(layer.digest, known);
    return known;
  }
  return {
    async own({ layer, options }) {
      await verify(layer);
      return stored.unpack({ layer, options });
    },
    async base(layer) {
      await verify(layer);
    },
    async readAhead({ layer }) {
      if (await client.verifyUnnamedBlob(layer)) verified.set(layer.digest, Promise.resolve());
    },
  };
}
