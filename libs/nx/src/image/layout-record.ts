import { createHash } from 'node:crypto';
import { type Digest, type ExpectedImage, type ImageLayout, platformName } from '@prebuilt/oci';
import { PrebuiltError } from '../errors.ts';
import type { Refusal } from './proof.ts';

const MANIFEST = 'dev.prebuilt.manifest.digest';
const PLAN = 'dev.prebuilt.plan.digest';
const PROOF = 'dev.prebuilt.proof';
const IMAGE = 'dev.prebuilt.image.digest';

/**
 * What a layout's index.json says about the image beside its digest, as annotations: the SHA-256 of the manifest that it
 * was made from, and of everything that was planned for it. The wording of the history is up to the builder and does not
 * count; neither does the order of the platforms. Of an image that is proven in part, it says so, and repeats the digest of
 * the index: then the layers do not follow from the plan.
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
 * Refuses a layout whose index.json names another manifest or plan, or none: then it is the image of another build, put
 * in place of this one's. What is inside its layers is seen when they are read.
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
