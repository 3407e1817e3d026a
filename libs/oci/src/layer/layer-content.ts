import type { Chunks } from './chunk-pipeline.ts';
import { type ReadEntry, type ReadLayerOptions, readLayer } from './layer-reader.ts';

/** How the content of a layer is read. */
export interface LayerReading extends Pick<ReadLayerOptions, 'compression' | 'diffId' | 'maxBytes'> {
  /** The file whose first bytes are wanted, and how many of them; none unless told. */
  readonly head?: { readonly path: string; readonly bytes: number };
}

/** What was read of a layer. */
export interface LayerContent {
  readonly entries: readonly ReadEntry[];
  /** The first bytes of the file that they were asked of; none where there is no such file. */
  readonly head: Uint8Array;
}

/** Reads a layer whole, as `readLayer` does, and throws what that throws. */
export async function readLayerContent(
  source: Chunks,
  { head: wanted, ...options }: LayerReading,
): Promise<LayerContent> {
  let head: Buffer = Buffer.alloc(0);
  const entries: ReadEntry[] = [];
  const reading = readLayer(source, {
    ...options,
    onContent(path, chunk) {
      if (path === wanted?.path && head.length < wanted.bytes)
        head = Buffer.concat([head, chunk.subarray(0, wanted.bytes - head.length)]);
    },
  });
  for await (const entry of reading) entries.push(entry);
  return { entries, head };
}
