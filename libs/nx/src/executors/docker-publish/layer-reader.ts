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

/**
 * Reads layers back from one repository, each of them once. All that the registry gives for a layer is read and has the
 * digest, so it holds what was unpacked of the layout under that digest.
 */
export interface LayerReader extends ProofReaders {
  /** Reads a layer that no manifest names yet, where the registry gives it out before; else it is read afterwards. */
  readAhead(layer: Descriptor): Promise<void>;
}

/** Reads the layers of a repository, what they hold from `stored`. What was read is not read again. */
export function createLayerReader(client: RepositoryClient, stored: StoredLayers): LayerReader {
  // Platforms may have layers of their bases in common.
  const verified = new Map<Digest, Promise<unknown>>();
  async function base(layer: Descriptor): Promise<void> {
    const known = verified.get(layer.digest) ?? client.verifyBlob(layer);
    verified.set(layer.digest, known);
    await known;
  }
  return {
    async own(reading) {
      await base(reading.layer);
      return stored.unpack(reading);
    },
    base,
    async readAhead(layer) {
      if (await client.verifyUnnamedBlob(layer)) verified.set(layer.digest, Promise.resolve());
    },
  };
}
