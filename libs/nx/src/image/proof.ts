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

/** The maximum number of differences in a message. */
const MAX_NAMED = 5;

/** The error for an image that doesn't match its plan. */
export interface Refusal {
  readonly code: PrebuiltErrorCode;
  /** The image's location: a folder or a repository. */
  readonly subject: string;
  readonly hint: string;
}

/** Throws the refusal with the first differences, if there are any. */
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
  /** Reads the entries of one of the image's own layers. */
  own(reading: LayerReading): Promise<readonly ReadEntry[]>;
  /** Reads a base layer to its end. Throws if its bytes don't match the digest. */
  base(layer: Descriptor): Promise<void>;
}

/** What an image is compared with. */
export interface PlannedProof {
  readonly expected: ExpectedImage;
  /** The base; undefined for an image from scratch. */
  readonly base: BaseImage | undefined;
}

/**
 * Compares an image with its plan: first its documents, then every path in each of its own layers; base layers by their
 * digests. If something was executed, compares the files in the finished image instead, and returns the result of that
 * reduced proof. Throws the refusal for differences, and the readers' errors.
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

/** Reads layers of unplanned size, one after another, since they share their limits. */
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
 * Compares every image in a layout with its plan, and returns the results of reduced proofs, in the same order. Throws
 * the refusal, or an `OciError`.
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
