import { createHash } from 'node:crypto';
import {
  type Compression,
  type Descriptor,
  formatImageConfig,
  type LayerEntry,
  MEDIA_TYPES,
  tarSize,
  writeBlob,
  writeImageManifest,
  writeLayer,
} from '@prebuilt/oci';
import { type Platform, platformParts } from '../artifacts/platform.ts';
import { readChunks } from '../files/chunks.ts';
import { unpackContents, unpackedPath } from './archives/unpack.ts';
import { storeBase } from './base/stored-base.ts';
import { countBytes, type ImageBuilder, type LayerProgress } from './builder.ts';
import { artifactChanged, checkContent } from './check-context.ts';
import type { ContextFile } from './context.ts';
import { type LayerPath, layerEntry } from './layer-paths.ts';
import type { ImagePlan } from './plan.ts';
import { expectedBase, type ReleaseImage } from './release-images.ts';

/** The options for packing an image. */
export interface AssembleOptions {
  readonly platform: Platform;
  readonly compression: Compression;
  /** The zstd level, from 1 to 19. */
  readonly compressionLevel?: number | undefined;
  /** Seconds since 1970: the time of every file and of the image. */
  readonly sourceDateEpoch: number;
  /** The folder with the unpacked contents of the archives that the image needs. */
  readonly unpacked?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called before and during the packing of each layer. */
  readonly onLayer?: ((layer: LayerProgress) => void) | undefined;
}

/** The options of the daemonless builder. It unpacks archives into the folder `unpacked`. */
export type DaemonlessOptions = Omit<AssembleOptions, 'platform'> & { readonly unpacked: string };

/** Builds images without an engine, root privileges or any other program. */
export function daemonlessBuilder(blobs: string, options: DaemonlessOptions): ImageBuilder {
  // Platforms share archives, so unpack each only once.
  const unpacking = new Map<string, Promise<void>>();
  return {
    async build(release) {
      await checkContent(release.context, packedFiles(release));
      for (const file of addedArchives(release)) {
        if (file.archive?.kind !== 'entries') continue;
        const { entries } = file.archive;
        const unpacked = unpacking.get(file.source) ?? unpackContents(file, entries, options.unpacked);
        unpacking.set(file.source, unpacked);
        await unpacked;
      }
      return assembleImage(blobs, release.image, { ...options, platform: release.platform });
    },
  };
}

/** The archives that an image has files from. */
function addedArchives({ image, context }: ReleaseImage): readonly ContextFile[] {
  const sources = new Set(image.layers.flat().flatMap(({ file }) => file?.inside?.source ?? []));
  return context.files.filter(({ source }) => sources.has(source));
}

/** The files whose content is checked against the manifest while packing; checking them before would be redundant. */
function packedFiles({ image }: ReleaseImage): ReadonlySet<string> {
  return new Set(image.layers.flat().flatMap(({ file }) => file?.source ?? []));
}

/**
 * Packs an image's layers, writes its configuration and manifest to a blob folder, and returns the manifest's
 * descriptor with its platform. Throws `ARTIFACT_CHANGED` if a file's content differs from what was verified.
 */
export async function assembleImage(
  blobs: string,
  plan: ImagePlan,
  options: AssembleOptions,
): Promise<Descriptor> {
  const { platform, compression, compressionLevel, sourceDateEpoch, unpacked, signal, onLayer } = options;
  const base = plan.base && expectedBase(plan.base, sourceDateEpoch);
  if (plan.base !== undefined) await storeBase(plan.base, blobs);
  const layers = [];
  for (const [index, paths] of plan.layers.entries()) {
    const entries = paths.map((path) => packedEntry(path, sourceDateEpoch, unpacked));
    const layer = { platform, layer: index + 1, layers: plan.layers.length, total: tarSize(entries) };
    const onBytes = countBytes(layer, onLayer);
    layers.push(await writeLayer(blobs, entries, { compression, compressionLevel, signal, onBytes }));
  }
  const parts = platformParts(platform);
  const config = formatImageConfig({
    ...parts,
    author: plan.author,
    config: plan.config,
    created: sourceDateEpoch,
    history: plan.history,
    diffIds: [...(base?.layers ?? []), ...layers].map(({ diffId }) => diffId),
    inherited: base?.inherited,
  });
  const written = await writeBlob(blobs, config, MEDIA_TYPES.config);
  const manifest = await writeImageManifest(
    blobs,
    written,
    [...(base?.layers ?? []), ...layers].map(({ descriptor }) => descriptor),
  );
  return { ...manifest, platform: parts };
}

function packedEntry(planned: LayerPath, sourceDateEpoch: number, unpacked: string | undefined): LayerEntry {
  const { file } = planned;
  const entry = layerEntry(planned, sourceDateEpoch);
  return file === undefined ? entry : { ...entry, content: () => checkedContent(file, unpacked) };
}

/**
 * The verified bytes of a file. A chunk stays valid until two more are requested. `unpacked` is the folder with the
 * contents of archives. Throws `ARTIFACT_CHANGED` after the last chunk if the content differs.
 */
async function* checkedContent(file: ContextFile, unpacked: string | undefined): AsyncGenerator<Buffer> {
  if (file.content !== undefined) {
    yield Buffer.from(file.content);
    return;
  }
  const hash = createHash('sha256');
  const { inside } = file;
  const isUnpacked = unpacked !== undefined && inside !== undefined;
  const source = isUnpacked ? unpackedPath(unpacked, inside, file) : file.source;
  for await (const chunk of readChunks(source, { kept: 2 })) {
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest('hex');
  if (found !== file.sha256) throw artifactChanged(file.source, file.sha256, found);
}
