import {
  compareDocuments,
  compareLayer,
  type Difference,
  type ExpectedImage,
  type FoundDocuments,
  formatDifference,
  type ImageLayout,
  type LayerReading,
  type LayerThreads,
  layerReadings,
  platformName,
  type ReadEntry,
} from '@prebuilt/oci';
import { PrebuiltError, type PrebuiltErrorCode } from '../errors.ts';
import { settleAll } from '../process/settle-all.ts';

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

/**
 * Holds an image against what was planned: its documents first, then each layer that `read` gives, every path. Throws
 * the refusal for differences, and what `read` throws.
 */
export async function holdAgainstPlan(
  expected: ExpectedImage,
  found: FoundDocuments,
  read: (reading: LayerReading) => Promise<readonly ReadEntry[]>,
  refusal: Refusal,
): Promise<void> {
  const platform = platformName(expected.platform);
  refuseDifferences(platform, compareDocuments(expected, found), refusal);
  const layers = await settleAll(layerReadings(expected, found).map(read));
  const differences = layers.flatMap((entries, index) =>
    compareLayer(expected.layers[index] ?? [], entries, index),
  );
  refuseDifferences(platform, differences, refusal);
}

/** Holds every image of a layout, in its order, against what was planned. Throws the refusal, or an `OciError`. */
export async function holdLayoutAgainstPlan(
  { folder, images }: ImageLayout,
  expected: readonly ExpectedImage[],
  threads: LayerThreads,
  refusal: Refusal,
): Promise<void> {
  await settleAll(
    expected.map(async (each, index) => {
      const image = images[index];
      if (image === undefined) throw new Error(`${folder}: has fewer images than were written`);
      await holdAgainstPlan(
        each,
        image,
        ({ layer, options }) => threads.read(folder, layer, options),
        refusal,
      );
    }),
  );
}
