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
import type { ImageBuilder } from './builder.ts';
import { artifactChanged, checkContent } from './check-context.ts';
import type { ContextFile } from './context.ts';
import { type LayerPath, layerEntry } from './layer-paths.ts';
import type { ImagePlan } from './plan.ts';
import { expectedBase, type ReleaseImage } from './release-images.ts';

/** What an image is packed with, besides its plan. */
export interface AssembleOptions {
  readonly platform: Platform;
  readonly compression: Compression;
  /** Of zstd, from 1 to 19. */
  readonly compressionLevel?: number | undefined;
  /** Seconds since 1970: the time of every file and of the image. */
  readonly sourceDateEpoch: number;
  /** The folder with the contents of those archives that the image needs. */
  readonly unpacked?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of each layer, before and while it is packed: its number from 1, the tar's bytes done and in all. */
  readonly onLayer?: ((layer: LayerProgress) => void) | undefined;
}

/** How far the packing of a layer is; sizes in bytes of the tar. */
export interface LayerProgress {
  readonly platform: Platform;
  readonly layer: number;
  readonly layers: number;
  readonly done: number;
  readonly total: number;
}

/** What a builder needs that makes images by itself; what archives hold goes into the folder `unpacked`. */
export type DaemonlessOptions = Omit<AssembleOptions, 'platform'> & { readonly unpacked: string };

/** Makes images by itself: no engine, no root, no other program. */
export function daemonlessBuilder(blobs: string, options: DaemonlessOptions): ImageBuilder {
  // Platforms share archives.
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

/** The archives from which files of an image come. */
function addedArchives({ image, context }: ReleaseImage): readonly ContextFile[] {
  const sources = new Set(image.layers.flat().flatMap(({ file }) => file?.inside?.source ?? []));
  return context.files.filter(({ source }) => sources.has(source));
}

/** The files whose content is held against the manifest while it is packed: reading them twice would prove no more. */
function packedFiles({ image }: ReleaseImage): ReadonlySet<string> {
  return new Set(image.layers.flat().flatMap(({ file }) => file?.source ?? []));
}

/**
 * Packs an image's layers and writes its configuration and manifest into a folder of blobs; gives the manifest's
 * descriptor, with its platform. Throws `ARTIFACT_CHANGED` where a file has another content than was verified.
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
    const total = tarSize(entries);
    let done = 0;
    const tell = (bytes: number): void => {
      done += bytes;
      onLayer?.({ platform, layer: index + 1, layers: plan.layers.length, done, total });
    };
    tell(0);
    layers.push(await writeLayer(blobs, entries, { compression, compressionLevel, signal, onBytes: tell }));
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
 * The bytes of a file as they were verified, each chunk until the next but one is asked for; `unpacked` is the folder with
 * those of archives. Throws `ARTIFACT_CHANGED` after the last one where they are others.
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
