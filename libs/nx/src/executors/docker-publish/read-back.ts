import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  compareIndex,
  type Descriptor,
  type Digest,
  type ExpectedImage,
  formatDifference,
  type ImageManifest,
  type LayerReading,
  type LayerThreads,
  OciError,
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  platformName,
  type ReadEntry,
  type ReadImageConfig,
} from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import type { Manifest } from '../../artifacts/manifest.ts';
import { PrebuiltError } from '../../errors.ts';
import { holdAgainstPlan, type Refusal } from '../../image/proof.ts';
import { settleAll } from '../../process/settle-all.ts';

/** What the images of a repository are compared with. */
export interface ExpectedRelease {
  readonly label: string;
  readonly index: Digest;
  readonly manifest: Manifest;
  /** The planned image of each platform, by its name. */
  readonly images: ReadonlyMap<string, ExpectedImage>;
}

/** Reads layers back from one repository, each of them once. */
export interface LayerReader {
  /** The entries of what the registry gives for a layer. */
  read(reading: LayerReading): Promise<readonly ReadEntry[]>;
  /** Reads a layer that no manifest names yet, where the registry gives it out before; else `read` does, afterwards. */
  readAhead(reading: LayerReading): Promise<void>;
}

/** What was read back for one platform. */
export interface ReadBackPlatform {
  readonly platform: string;
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly executableSha256: string;
}

/** The largest configuration that is read, in bytes; what a registry gives may be anything. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** Reads the layers of a repository on the given threads. What was read is kept: a layer may be asked for ahead. */
export function createLayerReader(client: RepositoryClient, threads: LayerThreads): LayerReader {
  const readings = new Map<string, Promise<readonly ReadEntry[] | undefined>>();
  const keyOf = (reading: LayerReading): string => JSON.stringify(reading);
  const start = ({ layer, options }: LayerReading, open: () => Promise<Readable>) =>
    client.attempt(`read back layer ${layer.digest}`, () => threads.read(layer.size, open, options));

  async function readAhead(reading: LayerReading): Promise<void> {
    const withheld = new Error('the registry does not give it out yet');
    const ahead = start(reading, async () => {
      const opened = await client.openUnnamedBlob(reading.layer);
      if (opened === undefined) throw withheld;
      return opened;
    }).catch((error) => {
      if (error === withheld) return undefined;
      throw error;
    });
    readings.set(keyOf(reading), ahead);
    await ahead;
  }

  async function read(reading: LayerReading): Promise<readonly ReadEntry[]> {
    const ahead = await readings.get(keyOf(reading));
    if (ahead !== undefined) return ahead;
    const now = start(reading, () => client.openBlob(reading.layer));
    readings.set(keyOf(reading), now);
    return now;
  }

  return { read, readAhead };
}

/**
 * Fetches the image from the registry by digest, its layers by way of `layers`, and holds it against the plan: the
 * platforms of the index, each configuration whole, and every path of every layer. Throws `READ_BACK` that names the
 * differences, or the client's `OciError`.
 */
export async function readBack(
  client: RepositoryClient,
  layers: LayerReader,
  expected: ExpectedRelease,
): Promise<readonly ReadBackPlatform[]> {
  const { bytes } = await client.getManifest(expected.index);
  const index = parseImageIndex(bytes, `${expected.label}@${expected.index}`, 'REGISTRY_RESPONSE');
  const platforms = [...expected.images.values()].map(({ platform }) => platform);
  const [difference] = compareIndex(platforms, index);
  if (difference !== undefined) {
    const { code, subject, hint } = refusal(expected);
    throw new PrebuiltError(code, `${subject}: ${formatDifference(difference)}`, { hint });
  }
  return settleAll(index.manifests.map((descriptor) => readPlatform(client, layers, expected, descriptor)));
}

async function readPlatform(
  client: RepositoryClient,
  layers: LayerReader,
  expected: ExpectedRelease,
  descriptor: Descriptor,
): Promise<ReadBackPlatform> {
  const platform = descriptor.platform === undefined ? '' : platformName(descriptor.platform);
  const image = expected.images.get(platform);
  const artifact = expected.manifest.platforms.find((each) => each.platform === platform);
  if (image === undefined || artifact === undefined) throw new Error(`${platform}: is not planned`);
  const { bytes } = await client.getManifest(descriptor.digest);
  const manifest = parseImageManifest(bytes, `${expected.label}@${descriptor.digest}`, 'REGISTRY_RESPONSE');
  const config = await readConfig(client, expected, manifest);
  const found = { platform: descriptor.platform, manifest, config };
  await holdAgainstPlan(image, found, (reading) => layers.read(reading), refusal(expected));
  return {
    platform,
    digest: descriptor.digest,
    configDigest: manifest.config.digest,
    executableSha256: artifact.sha256,
  };
}

async function readConfig(
  client: RepositoryClient,
  expected: ExpectedRelease,
  manifest: ImageManifest,
): Promise<ReadImageConfig> {
  const { digest, size } = manifest.config;
  if (size > MAX_CONFIG_BYTES) {
    throw new OciError(
      'REGISTRY_RESPONSE',
      `${expected.label}: configuration ${digest}: expected at most ${MAX_CONFIG_BYTES} bytes, found ${size}`,
    );
  }
  const bytes = await client.attempt('read back a configuration', async () =>
    buffer(await client.openBlob(manifest.config)),
  );
  return parseImageConfig(bytes, `${expected.label} ${digest}`, 'REGISTRY_RESPONSE');
}

function refusal({ label }: ExpectedRelease): Refusal {
  return {
    code: 'READ_BACK',
    subject: `${label}: the registry gives another image than was planned`,
    hint: 'No tag was moved. What the registry holds is not what was verified: find out why before trying again.',
  };
}
