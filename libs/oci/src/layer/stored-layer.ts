import type { Descriptor } from '../descriptor.ts';
import { readBlob } from '../layout/layout-blob.ts';
import { freeMemory } from './chunk-memory.ts';
import { type ReadEntry, type ReadLayerOptions, readLayer } from './layer-reader.ts';

/**
 * The entries of a layer that lies in an image layout, as `readLayer` gives them. That its bytes are not the
 * descriptor's (`DIGEST_MISMATCH`) is thrown before what else is wrong with them.
 */
export async function readStoredLayer(
  folder: string,
  layer: Descriptor,
  options: ReadLayerOptions,
): Promise<readonly ReadEntry[]> {
  try {
    return await Array.fromAsync(readLayer(chunksOf(folder, layer), options));
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
