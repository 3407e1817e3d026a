import type { Descriptor, Digest, LayerReading, LayerThreads, ReadEntry } from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import type { ProofReaders } from '../../image/proof.ts';

/** Unpacks each layer of an image layout only once, no matter how many registries it goes to. */
export interface StoredLayers {
  /** The entries of the layer. Its bytes match its digest. */
  unpack(reading: LayerReading): Promise<readonly ReadEntry[]>;
}

/** Unpacks the layers of the layout in `folder` on the given threads. */
export function createStoredLayers(folder: string, threads: LayerThreads): StoredLayers {
  const readings = new Map<string, Promise<readonly ReadEntry[]>>();
  return {
    unpack(reading) {
      const key = JSON.stringify(reading);
      const known = readings.get(key) ?? threads.read(folder, reading.layer, reading.options);
      readings.set(key, known);
      // The error reaches whoever awaits the reading.
      known.catch(() => {});
      return known;
    },
  };
}

/**
 * Reads each layer back from one repository once. The registry's bytes are read completely and match the digest, so
 * their content is what was unpacked from the layout under that digest.
 */
export interface LayerReader extends ProofReaders {
  /** Reads a layer before any manifest names it, if the registry serves it by then; otherwise it is read later. */
  readAhead(layer: Descriptor): Promise<void>;
}

/** Reads the layers of a repository, and their content from `stored`. Nothing is read twice. */
export function createLayerReader(client: RepositoryClient, stored: StoredLayers): LayerReader {
  // The bases of different platforms may share layers.
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
