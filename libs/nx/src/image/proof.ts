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
  platformName,
  type ReadEntry,
  readBlob,
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

/** Reads the layers of an image. */
export interface ProofReaders {
  /** The entries of a layer of the image's own. */
  own(reading: LayerReading): Promise<readonly ReadEntry[]>;
  /** Reads a layer of the base to its end; throws where its bytes are not those of the digest. */
  base(layer: Descriptor): Promise<void>;
}

/**
 * Holds an image against what was planned: its documents first, then each layer of its own, every path; those of the base
 * by their digests. Throws the refusal for differences, and what the readers throw.
 */
export async function holdAgainstPlan(
  expected: ExpectedImage,
  found: FoundDocuments,
  read: ProofReaders,
  refusal: Refusal,
): Promise<void> {
  const platform = platformName(expected.platform);
  refuseDifferences(platform, compareDocuments(expected, found), refusal);
  const below = expected.base?.layers ?? [];
  const [layers] = await settleAll([
    settleAll(layerReadings(expected, found).map((reading) => read.own(reading))),
    settleAll(below.map(({ descriptor }) => read.base(descriptor))),
  ]);
  const differences = layers.flatMap((entries, index) =>
    compareLayer(expected.layers[index] ?? [], entries, below.length + index),
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
