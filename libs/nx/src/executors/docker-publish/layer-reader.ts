import type { Readable } from 'node:stream';
import type { Descriptor, LayerReading, LayerThreads, ReadEntry } from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import type { ProofReaders } from '../../image/proof.ts';

/** Reads layers back from one repository, each of them once. */
export interface LayerReader extends ProofReaders {
  /** Reads a layer that no manifest names yet, where the registry gives it out before; else `own` does, afterwards. */
  readAhead(reading: LayerReading): Promise<void>;
}

/** Reads the layers of a repository on the given threads. What was read is kept: a layer may be asked for ahead. */
export function createLayerReader(client: RepositoryClient, threads: LayerThreads): LayerReader {
  const readings = new Map<string, Promise<readonly ReadEntry[] | undefined>>();
  const keyOf = (reading: LayerReading): string => JSON.stringify(reading);
  const start = ({ layer, options }: LayerReading, open: () => Promise<Readable>) =>
    client.attempt(`read back layer ${layer.digest}`, () => threads.read(layer.size, open, options));

  async function readAhead(reading: LayerReading): Promise<void> {
    const withheld = new Error('the registry does not give it out yet');
    const ahead = start(reading, async () => {
      const opened = await client.openUnnamedBlob(reading.layer);
      if (opened === undefined) throw withheld;
      return opened;
    }).catch((error) => {
      if (error === withheld) return undefined;
      throw error;
    });
    readings.set(keyOf(reading), ahead);
    await ahead;
  }

  async function own(reading: LayerReading): Promise<readonly ReadEntry[]> {
    const ahead = await readings.get(keyOf(reading));
    if (ahead !== undefined) return ahead;
    const now = start(reading, () => client.openBlob(reading.layer));
    readings.set(keyOf(reading), now);
    return now;
  }

  // Platforms may have layers of their bases in common.
  const bases = new Map<string, Promise<void>>();
  function base(layer: Descriptor): Promise<void> {
    const reading =
      bases.get(layer.digest) ??
      client.attempt(`read back layer ${layer.digest} of the base`, async () => {
        for await (const _ of await client.openBlob(layer));
      });
    bases.set(layer.digest, reading);
    return reading;
  }

  return { own, base, readAhead };
}
