import {
  compareDocuments,
  compareLayer,
  type Descriptor,
  type Difference,
  type ExpectedImage,
  type FoundDocuments,
  formatDifference,
  type ImageLayout,
  type LayerReading,
  type LayerThreads,
  layerReadings,
  limitsAfter,
  MAX_CHANGED_LAYER,
  platformName,
  type ReadEntry,
  readBlob,
} from '@prebuilt/oci';
import { PrebuiltError, type PrebuiltErrorCode } from '../errors.ts';
import { settleAll } from '../process/settle-all.ts';
import type { BaseImage } from './base/base-image.ts';
import { compareMerged, type ReducedProof } from './merged-proof.ts';

/** How many differences a message names. */
const MAX_NAMED = 5;

/** What an image that is not the planned one is refused with. */
export interface Refusal {
  readonly code: PrebuiltErrorCode;
  /** Where the image is: a folder, a repository. */
  readonly subject: string;
  readonly hint: string;
}

/** Throws the refusal, with the first differences, where there are any. */
export function refuseDifferences(
  platform: string,
  differences: readonly Difference[],
  { code, subject, hint }: Refusal,
): void {
  if (differences.length === 0) return;
  const named = differences.slice(0, MAX_NAMED).map(formatDifference).join('; ');
  const more = differences.length > MAX_NAMED ? ` (and ${differences.length - MAX_NAMED} more)` : '';
  throw new PrebuiltError(code, `${subject}: ${platform}: ${named}${more}`, { hint });
}

/** Reads the layers of an image. */
export interface ProofReaders {
  /** The entries of a layer of the image's own. */
  own(reading: LayerReading): Promise<readonly ReadEntry[]>;
  /** Reads a layer of the base to its end; throws where its bytes are not those of the digest. */
  base(layer: Descriptor): Promise<void>;
}

/** What an image is held against. */
export interface PlannedProof {
  readonly expected: ExpectedImage;
  /** What it starts from; absent of an image from scratch. */
  readonly base: BaseImage | undefined;
}

/**
 * Holds an image against what was planned: its documents first, then each layer of its own, every path; those of the base
 * by their digests. Where something was executed, the files that are there in the end are compared instead, and what the
 * proof then comes to is given. Throws the refusal for differences, and what the readers throw.
 */
export async function holdAgainstPlan(
  { expected, base }: PlannedProof,
  found: FoundDocuments,
  read: ProofReaders,
  refusal: Refusal,
): Promise<ReducedProof | undefined> {
  const platform = platformName(expected.platform);
  refuseDifferences(platform, compareDocuments(expected, found), refusal);
  const below = expected.base?.layers ?? [];
  const readings = layerReadings(expected, found);
  const [layers] = await settleAll([
    expected.unplanned === undefined
      ? settleAll(readings.map((reading) => read.own(reading)))
      : readChanged(readings, (reading) => read.own(reading)),
    settleAll(below.map(({ descriptor }) => read.base(descriptor))),
  ]);
  if (expected.unplanned !== undefined) {
    const merged = compareMerged(expected, expected.unplanned, layers, base);
    refuseDifferences(platform, merged.differences, refusal);
    return merged.proof;
  }
  const differences = layers.flatMap((entries, index) =>
    compareLayer(expected.layers[index] ?? [], entries, below.length + index),
  );
  refuseDifferences(platform, differences, refusal);
  return undefined;
}

/** Reads layers of which no plan says how large they are: one after the other, since they share their limits. */
export async function readChanged(
  readings: readonly LayerReading[],
  read: (reading: LayerReading) => Promise<readonly ReadEntry[]>,
): Promise<readonly (readonly ReadEntry[])[]> {
  const layers: (readonly ReadEntry[])[] = [];
  for (const { layer, options } of readings) {
    const limits = limitsAfter(options.limits ?? MAX_CHANGED_LAYER, layers);
    layers.push(await read({ layer, options: { ...options, limits } }));
  }
  return layers;
}

/**
 * Holds every image of a layout, in its order, against what was planned, and gives what reduced proofs come to, in the same
 * order. Throws the refusal, or an `OciError`.
 */
export function holdLayoutAgainstPlan(
  { folder, images }: ImageLayout,
  planned: readonly PlannedProof[],
  threads: LayerThreads,
  refusal: Refusal,
): Promise<readonly (ReducedProof | undefined)[]> {
  return settleAll(
    planned.map(async (each, index) => {
      const image = images[index];
      if (image === undefined) throw new Error(`${folder}: has fewer images than were written`);
      return holdAgainstPlan(
        each,
        image,
        {
          own: ({ layer, options }) => threads.read(folder, layer, options),
          base: async (layer) => {
            for await (const _ of readBlob(folder, layer));
          },
        },
        refusal,
      );
    }),
  );
}
