import { buffer } from 'node:stream/consumers';
import type { Manifest, PlatformArtifact } from '@prebuilt/artifacts';
import { elfMachineOf } from '@prebuilt/artifacts';
import { IDENTITY_BYTES, readElfIdentity } from '@prebuilt/elf';
import {
  compressionOf,
  type Descriptor,
  type Digest,
  type ImageManifest,
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  platformName,
  type ReadEntry,
  type ReadImageConfig,
  readLayer,
} from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import { PrebuiltError } from '../../errors.ts';
import { settleAll } from '../../settle-all.ts';

/** What an image is compared with. */
export interface ExpectedImage {
  readonly label: string;
  readonly index: Digest;
  readonly manifest: Manifest;
  /** The configuration of each platform as it was packaged. */
  readonly configs: ReadonlyMap<string, ReadImageConfig>;
}

/** What was read back for one platform. */
export interface ReadBackPlatform {
  readonly platform: string;
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly executableSha256: string;
}

/**
 * Fetches the image from the registry by digest, unpacks the layers of all platforms side by side, each in a stream, and
 * compares:
 * digests and sizes of all content, the executable's hash, mode and ELF machine, every runtime file, user,
 * entrypoint and architecture, and that nothing else is inside. Throws `READ_BACK` that names the first difference,
 * or the client's `OciError`.
 */
export async function readBack(
  client: RepositoryClient,
  expected: ExpectedImage,
): Promise<readonly ReadBackPlatform[]> {
  const { bytes } = await client.getManifest(expected.index);
  const index = parseImageIndex(bytes, `${expected.label}@${expected.index}`, 'REGISTRY_RESPONSE');
  const platforms = await settleAll(
    index.manifests.map((descriptor) => readPlatform(client, expected, descriptor)),
  );
  const missing = expected.manifest.platforms.find(
    (each) => !platforms.some(({ platform }) => platform === each.platform),
  );
  if (missing !== undefined)
    throw difference(expected, missing.platform, 'an image of this platform', 'none');
  return platforms;
}

async function readPlatform(
  client: RepositoryClient,
  expected: ExpectedImage,
  descriptor: Descriptor,
): Promise<ReadBackPlatform> {
  const platform = descriptor.platform === undefined ? 'no platform' : platformName(descriptor.platform);
  const artifact = expected.manifest.platforms.find((each) => each.platform === platform);
  if (artifact === undefined)
    throw difference(expected, platform, 'a platform of manifest.json', 'another one');
  const { bytes } = await client.getManifest(descriptor.digest);
  const manifest = parseImageManifest(bytes, `${expected.label}@${descriptor.digest}`, 'REGISTRY_RESPONSE');
  const config = await readConfig(client, expected, manifest);
  compareConfig(expected, artifact, config);
  const unpacked = await unpack(client, manifest, config, { platform, program: entrypoint(config) });
  compareFiles(expected, artifact, config, unpacked);
  return {
    platform,
    digest: descriptor.digest,
    configDigest: manifest.config.digest,
    executableSha256: artifact.sha256,
  };
}

async function readConfig(
  client: RepositoryClient,
  expected: ExpectedImage,
  manifest: ImageManifest,
): Promise<ReadImageConfig> {
  const bytes = await client.attempt('read back a configuration', async () =>
    buffer(await client.openBlob(manifest.config)),
  );
  return parseImageConfig(bytes, `${expected.label} ${manifest.config.digest}`, 'REGISTRY_RESPONSE');
}

function compareConfig(expected: ExpectedImage, artifact: PlatformArtifact, config: ReadImageConfig): void {
  const { platform } = artifact;
  const { os, architecture, variant } = config;
  const found = platformName({ os, architecture, variant });
  if (found !== platform) throw difference(expected, platform, 'its configuration to say so', found);
  const packaged = expected.configs.get(platform)?.config;
  for (const key of ['User', 'Entrypoint', 'Cmd', 'WorkingDir'] as const) {
    const [wanted, given] = [
      JSON.stringify(packaged?.[key] ?? null),
      JSON.stringify(config.config?.[key] ?? null),
    ];
    if (wanted !== given) throw difference(expected, platform, `${key} ${wanted}`, given);
  }
}

interface Unpacked {
  readonly files: ReadonlyMap<string, ReadEntry>;
  /** The first bytes of the entrypoint. */
  readonly head: Buffer;
}

function entrypoint(config: ReadImageConfig): string {
  return (config.config?.Entrypoint?.[0] ?? '').replace(/^\//, '');
}

async function unpack(
  client: RepositoryClient,
  manifest: ImageManifest,
  config: ReadImageConfig,
  { platform, program }: { readonly platform: string; readonly program: string },
): Promise<Unpacked> {
  const files = new Map<string, ReadEntry>();
  let head: Buffer = Buffer.alloc(0);
  for (const [index, layer] of manifest.layers.entries()) {
    const diffId = config.rootfs.diff_ids[index] as Digest | undefined;
    const operation = `read back layer ${index + 1} of ${platform}`;
    const read = await client.attempt(operation, () => unpackLayer(client, layer, diffId, program));
    for (const entry of read.entries) {
      if (entry.path === program) head = entry.type === 'file' ? read.head : Buffer.alloc(0);
      if (entry.type !== 'directory') files.set(entry.path, entry);
    }
  }
  return { files, head };
}

async function unpackLayer(
  client: RepositoryClient,
  layer: Descriptor,
  diffId: Digest | undefined,
  program: string,
): Promise<{ readonly entries: readonly ReadEntry[]; readonly head: Buffer }> {
  let head = Buffer.alloc(0);
  const entries: ReadEntry[] = [];
  const reading = readLayer(await client.openBlob(layer), {
    compression: compressionOf(layer.mediaType) ?? 'none',
    diffId,
    onContent(path, chunk) {
      if (path === program && head.length < IDENTITY_BYTES)
        head = Buffer.concat([head, chunk.subarray(0, IDENTITY_BYTES)]);
    },
  });
  for await (const entry of reading) entries.push(entry);
  return { entries, head };
}

function compareFiles(
  expected: ExpectedImage,
  artifact: PlatformArtifact,
  config: ReadImageConfig,
  { files, head }: Unpacked,
): void {
  const { platform } = artifact;
  const program = entrypoint(config);
  const wanted = new Map<string, { readonly sha256: string; readonly mode: number }>([
    ...artifact.runtime.files.map(
      ({ path, sha256, mode }) => [path, { sha256, mode: Number.parseInt(mode, 8) }] as const,
    ),
    [program, { sha256: artifact.sha256, mode: 0o755 }],
  ]);
  for (const [path, { sha256, mode }] of wanted) {
    const found = files.get(path);
    if (found === undefined) throw difference(expected, platform, `the file /${path}`, 'none');
    if (found.sha256 !== sha256) {
      throw difference(
        expected,
        platform,
        `/${path} with SHA-256 ${sha256}, as in manifest.json`,
        found.sha256 ?? `a ${found.type}`,
      );
    }
    if (found.mode !== mode)
      throw difference(expected, platform, `/${path} with mode ${mode.toString(8)}`, found.mode.toString(8));
  }
  const extra = [...files.keys()].find((path) => !wanted.has(path));
  if (extra !== undefined)
    throw difference(expected, platform, 'nothing but the files of manifest.json', `/${extra}`);
  const { machine } = readElfIdentity(head, `/${program}`);
  if (machine !== elfMachineOf(artifact.platform)) {
    throw difference(expected, platform, `an executable for ${elfMachineOf(artifact.platform)}`, machine);
  }
}

function difference(expected: ExpectedImage, platform: string, wanted: string, found: string): PrebuiltError {
  return new PrebuiltError(
    'READ_BACK',
    `${expected.label}: ${platform}: expected ${wanted}, the registry gives ${found}`,
    {
      hint: 'No tag was moved. What the registry holds is not what was verified: find out why before trying again.',
    },
  );
}
