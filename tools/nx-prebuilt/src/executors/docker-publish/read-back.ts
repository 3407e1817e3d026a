import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Manifest, PlatformArtifact } from '@prebuilt/artifacts';
import { elfMachineOf } from '@prebuilt/artifacts';
import { IDENTITY_BYTES, readElfIdentity } from '@prebuilt/elf';
import {
  compressionOf,
  type Descriptor,
  type Digest,
  type ImageManifest,
  type LayerContent,
  type LayerThreads,
  parseImageConfig,
  parseImageIndex,
  parseImageManifest,
  platformName,
  type ReadEntry,
  type ReadImageConfig,
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

/** Reads layers back from one repository, each of them once. */
export interface LayerReader {
  /** What the registry gives for a layer, unpacked; `program` is the path of the image's executable. */
  read(layer: Descriptor, diffId: Digest | undefined, program: string): Promise<LayerContent>;
  /** Reads a layer that no manifest names yet, where the registry gives it out before; else `read` does, afterwards. */
  readAhead(layer: Descriptor, diffId: Digest | undefined, program: string): Promise<void>;
}

/** What was read back for one platform. */
export interface ReadBackPlatform {
  readonly platform: string;
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly executableSha256: string;
}

/** Reads the layers of a repository on the given threads. What was read is kept: a layer may be asked for ahead. */
export function createLayerReader(client: RepositoryClient, threads: LayerThreads): LayerReader {
  const readings = new Map<string, Promise<LayerContent | undefined>>();

  function start(
    layer: Descriptor,
    diffId: Digest | undefined,
    program: string,
    open: () => Promise<Readable>,
  ): Promise<LayerContent> {
    return client.attempt(`read back layer ${layer.digest}`, () =>
      threads.read(layer.size, open, {
        compression: compressionOf(layer.mediaType) ?? 'none',
        diffId,
        head: { path: program, bytes: IDENTITY_BYTES },
      }),
    );
  }

  const keyOf = (layer: Descriptor, diffId: Digest | undefined, program: string): string =>
    [layer.digest, layer.size, layer.mediaType, diffId, program].join(' ');

  async function readAhead(layer: Descriptor, diffId: Digest | undefined, program: string): Promise<void> {
    const withheld = new Error('the registry does not give it out yet');
    const reading = start(layer, diffId, program, async () => {
      const opened = await client.openUnnamedBlob(layer);
      if (opened === undefined) throw withheld;
      return opened;
    }).catch((error) => {
      if (error === withheld) return undefined;
      throw error;
    });
    readings.set(keyOf(layer, diffId, program), reading);
    await reading;
  }

  async function read(layer: Descriptor, diffId: Digest | undefined, program: string): Promise<LayerContent> {
    const key = keyOf(layer, diffId, program);
    const ahead = await readings.get(key);
    if (ahead !== undefined) return ahead;
    const reading = start(layer, diffId, program, () => client.openBlob(layer));
    readings.set(key, reading);
    return reading;
  }

  return { read, readAhead };
}

/**
 * Fetches the image from the registry by digest, its layers by way of `layers`, and compares: digests and sizes of all
 * content, the executable's hash, mode and ELF machine, every runtime file, user, entrypoint and architecture, and that
 * nothing else is inside. Throws `READ_BACK` that names the first difference, or the client's `OciError`.
 */
export async function readBack(
  client: RepositoryClient,
  layers: LayerReader,
  expected: ExpectedImage,
): Promise<readonly ReadBackPlatform[]> {
  const { bytes } = await client.getManifest(expected.index);
  const index = parseImageIndex(bytes, `${expected.label}@${expected.index}`, 'REGISTRY_RESPONSE');
  const platforms = await settleAll(
    index.manifests.map((descriptor) => readPlatform(client, layers, expected, descriptor)),
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
  layers: LayerReader,
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
  const unpacked = await unpack(layers, manifest, config);
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

/** The path of an image's executable, as its layers have it. */
export function entrypoint(config: ReadImageConfig): string {
  return (config.config?.Entrypoint?.[0] ?? '').replace(/^\//, '');
}

async function unpack(
  layers: LayerReader,
  manifest: ImageManifest,
  config: ReadImageConfig,
): Promise<Unpacked> {
  const program = entrypoint(config);
  const contents = await settleAll(
    manifest.layers.map((layer, index) => layers.read(layer, diffIdOf(config, index), program)),
  );
  const files = new Map<string, ReadEntry>();
  let head: Uint8Array = Buffer.alloc(0);
  for (const content of contents) {
    for (const entry of content.entries) {
      if (entry.path === program) head = entry.type === 'file' ? content.head : Buffer.alloc(0);
      if (entry.type !== 'directory') files.set(entry.path, entry);
    }
  }
  return { files, head: Buffer.from(head) };
}

/** The diffID that a configuration gives for one of its layers. */
export function diffIdOf(config: ReadImageConfig, layer: number): Digest | undefined {
  return config.rootfs.diff_ids[layer] as Digest | undefined;
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
