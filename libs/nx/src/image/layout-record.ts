import { createHash } from 'node:crypto';
import { type Digest, type ExpectedImage, type ImageLayout, platformName } from '@prebuilt/oci';
import { PrebuiltError } from '../errors.ts';
import type { Refusal } from './proof.ts';

const MANIFEST = 'dev.prebuilt.manifest.digest';
const PLAN = 'dev.prebuilt.plan.digest';
const PROOF = 'dev.prebuilt.proof';
const IMAGE = 'dev.prebuilt.image.digest';

/**
 * The annotations in a layout's index.json: the SHA-256 of the manifest that the image was built from, and of its
 * entire plan. The plan's hash ignores the history's wording, which depends on the builder, and the order of platforms.
 * For an image with a reduced proof, the annotations say so and include the index's digest, since its layers don't
 * follow from the plan.
 */
export function layoutRecord(
  manifestSha256: string,
  expected: readonly ExpectedImage[],
  index: Digest,
): Readonly<Record<string, string>> {
  const planned = expected
    .map(({ platform, author, config, created, layers, unplanned }) => ({
      platform: platformName(platform),
      author,
      config,
      created,
      layers,
      ...(unplanned !== undefined && { files: unplanned.files }),
    }))
    .sort((one, other) => (one.platform < other.platform ? -1 : 1));
  const plan = createHash('sha256').update(JSON.stringify(planned)).digest('hex');
  const isReduced = expected.some(({ unplanned }) => unplanned !== undefined);
  return {
    [MANIFEST]: `sha256:${manifestSha256}`,
    [PLAN]: `sha256:${plan}`,
    ...(isReduced && { [PROOF]: 'reduced', [IMAGE]: index }),
  };
}

/**
 * Refuses a layout whose index.json has a different manifest or plan, or none: it is from another build. The layers'
 * content is checked when they are read.
 */
export function requireLayoutRecord(
  { root }: ImageLayout,
  record: Readonly<Record<string, string>>,
  { code, subject, hint }: Refusal,
): void {
  for (const [name, expected] of Object.entries(record)) {
    const found = root.annotations?.[name];
    if (found === expected) continue;
    throw new PrebuiltError(
      code,
      `${subject}: index.json: ${name}: expected ${expected}, found ${found === undefined ? 'none' : JSON.stringify(found)}`,
      { hint },
    );
  }
}
