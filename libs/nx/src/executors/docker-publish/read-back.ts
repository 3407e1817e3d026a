import { buffer } from 'node:stream/consumers';
import {
  compareIndex,
  type Descriptor,
  type Digest,
  formatDifference,
  type ImageManifest,
  OciError,
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  platformName,
  type ReadImageConfig,
} from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import type { Platform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { describeReduced, type ReducedProof } from '../../image/merged-proof.ts';
import { holdAgainstPlan, type Refusal } from '../../image/proof.ts';
import { settleAll } from '../../process/settle-all.ts';
import type { PublishPlan } from './plan.ts';
import type { PublishTarget } from './target.ts';

/** The result of reading back one platform. */
export interface ReadBackPlatform {
  readonly platform: string;
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly executableSha256: string;
  /** What the proof does not cover because something was executed; absent if every path was compared. */
  readonly reducedProof?: ReducedProof;
}

/** The largest configuration to read, in bytes, since a registry may return anything. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * Fetches the image from the registry by digest and compares it with the plan: the platforms of the index, each whole
 * configuration, and every path of every layer or, if something was executed, every verified file. Throws `READ_BACK`,
 * which names the differences, or the client's `OciError`.
 */
export async function readBack(
  plan: PublishPlan,
  target: PublishTarget,
): Promise<readonly ReadBackPlatform[]> {
  const { label, reference } = target.plan;
  const { bytes } = await target.client.getManifest(plan.index.digest);
  const index = parseImageIndex(bytes, reference, 'REGISTRY_RESPONSE');
  const wanted = plan.platforms.map(({ expected }) => expected.platform);
  const [difference] = compareIndex(wanted, index);
  if (difference !== undefined) {
    const { code, subject, hint } = refusal(label);
    throw new PrebuiltError(code, `${subject}: ${formatDifference(difference)}`, { hint });
  }
  const platforms = await settleAll(
    index.manifests.map((descriptor) => readPlatform(plan, target, descriptor)),
  );
  const names = platforms.map(({ platform }) => platform).join(' and ');
  target.progress(`${reference}: read back; ${names} contain the verified files`);
  for (const { platform, reducedProof } of platforms) {
    if (reducedProof !== undefined)
      target.progress(`${reference}: ${platform}: ${describeReduced(reducedProof)}`);
  }
  const bases = new Set(plan.platforms.flatMap(({ expected }) => expected.base?.reference ?? []));
  for (const base of bases)
    target.progress(
      `${reference}: the layers of the base ${base} were read back by digest; their content was not checked`,
    );
  return platforms;
}

async function readPlatform(
  { platforms }: PublishPlan,
  { plan: { label }, client, layers, bases }: PublishTarget,
  descriptor: Descriptor,
): Promise<ReadBackPlatform> {
  const platform = descriptor.platform === undefined ? '' : platformName(descriptor.platform);
  const planned = platforms.find((each) => each.platform === platform);
  if (planned === undefined) throw new Error(`${platform}: is not planned`);
  const { bytes } = await client.getManifest(descriptor.digest);
  const manifest = parseImageManifest(bytes, `${label}@${descriptor.digest}`, 'REGISTRY_RESPONSE');
  const config = await readConfig(client, label, manifest);
  const found = { platform: descriptor.platform, manifest, config };
  const { expected } = planned;
  const base = bases.get(platform as Platform);
  const reducedProof = await holdAgainstPlan({ expected, base }, found, layers, refusal(label));
  return {
    platform,
    digest: descriptor.digest,
    configDigest: manifest.config.digest,
    executableSha256: planned.executableSha256,
    ...(reducedProof !== undefined && { reducedProof }),
  };
}

async function readConfig(
  client: RepositoryClient,
  label: string,
  manifest: ImageManifest,
): Promise<ReadImageConfig> {
  const { digest, size } = manifest.config;
  if (size > MAX_CONFIG_BYTES) {
    throw new OciError(
      'REGISTRY_RESPONSE',
      `${label}: configuration ${digest}: expected at most ${MAX_CONFIG_BYTES} bytes, found ${size}`,
    );
  }
  const bytes = await client.attempt('read back a configuration', async () =>
    buffer(await client.openBlob(manifest.config)),
  );
  return parseImageConfig(bytes, `${label} ${digest}`, 'REGISTRY_RESPONSE');
}

function refusal(label: string): Refusal {
  return {
    code: 'READ_BACK',
    subject: `${label}: the registry returns a different image from the planned one`,
    hint: 'No tag was moved. The registry does not have what was verified: find out why before trying again.',
  };
}
