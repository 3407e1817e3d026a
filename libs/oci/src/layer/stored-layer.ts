import type { Descriptor } from '../descriptor.ts';
import { readBlob } from '../layout/layout-blob.ts';
import { freeMemory } from './chunk-memory.ts';
import { type ReadEntry, type ReadLayerOptions, readLayer } from './layer-reader.ts';

/**
 * Passes the entries of a layer in an image layout to `take`, as `readLayer` returns them; none of them is valid until
 * the end, since the layer may still be refused. If the bytes don't match the descriptor, `DIGEST_MISMATCH` takes
 * precedence over any other problem with them.
 */
export async function readStoredLayer(
  folder: string,
  layer: Descriptor,
  options: ReadLayerOptions,
  take: (entry: ReadEntry) => void,
): Promise<void> {
  try {
    for await (const entry of readLayer(chunksOf(folder, layer), options)) take(entry);
  } catch (error) {
    for await (const _ of chunksOf(folder, layer));
    throw error;
  }
}

async function* chunksOf(folder: string, layer: Descriptor): AsyncGenerator<Uint8Array> {
  for await (const chunk of readBlob(folder, layer)) {
    yield chunk;
    freeMemory(chunk);
  }
}
