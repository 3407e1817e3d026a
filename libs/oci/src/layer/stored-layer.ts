import type { Descriptor } from '../descriptor.ts';
import { readBlob } from '../layout/layout-blob.ts';
import { freeMemory } from './chunk-memory.ts';
import { type ReadEntry, type ReadLayerOptions, readLayer } from './layer-reader.ts';

/**
 * Hands the entries of a layer that lies in an image layout to `take`, as `readLayer` gives them; none of them counts
 * before the end, where it may still be refused. That its bytes are not the
 * descriptor's (`DIGEST_MISMATCH`) is thrown before what else is wrong with them.
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
