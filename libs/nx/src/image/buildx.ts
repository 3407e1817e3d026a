import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BLOBS_FOLDER,
  type Compression,
  cleanText,
  compressLayer,
  type Descriptor,
  digestHex,
  type ExpectedImage,
  goJson,
  inheritedSteps,
  type LayoutImage,
  MEDIA_TYPES,
  platformName,
  readDocument,
  readImageLayout,
  rfc3339,
  sortedMap,
  writeBlob,
  writeImageManifest,
} from '@prebuilt/oci';
import { execa } from 'execa';
import { type Platform, platformParts } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { readChunks } from '../files/chunks.ts';
import type { Command } from '../process/command.ts';
import { settleAll } from '../process/settle-all.ts';
import { linkBaseLayout, storeBase } from './base/stored-base.ts';
import { countBytes, type ImageBuilder, type LayerProgress } from './builder.ts';
import { checkContent } from './check-context.ts';
import { expectedImage } from './release-images.ts';
import { stageContext } from './stage-context.ts';

/** A platform's context and layouts, relative to the folder that buildx runs in. */
export interface PlatformFolders {
  readonly context: string;
  readonly layout: string;
  /** The layout of the base, if there is one. */
  readonly base: string;
}

/** The options for building with buildx. */
export interface BuildxOptions {
  /** The folder for the finished images' blobs. */
  readonly blobs: string;
  /** The folder that buildx runs in, which contains the Dockerfile. */
  readonly work: string;
  readonly compression: Compression;
  /** The zstd level, from 1 to 19. */
  readonly compressionLevel?: number | undefined;
  /** Seconds since 1970: the time of every file and of the image. */
  readonly sourceDateEpoch: number;
  readonly signal: AbortSignal;
  /** The command to run for a platform, and the folders it uses. */
  readonly runOf: (platform: Platform) => { readonly command: Command; readonly folders: PlatformFolders };
  /** Called with each line that buildx prints. */
  readonly line: (text: string) => void;
  /** Called while a layer is compressed. */
  readonly onLayer: (progress: LayerProgress) => void;
}

/** Builds images with `docker buildx build`, one run per platform, and compresses their layers. */
export function buildxBuilder(options: BuildxOptions): ImageBuilder {
  const { blobs, work, sourceDateEpoch, signal, runOf, line } = options;
  return {
    async build(release) {
      const { platform, context, image } = release;
      const { base } = image;
      const { command, folders } = runOf(platform);
      const staged = join(work, folders.context);
      await settleAll([
        checkContent(context),
        stageContext(context, staged, STAGED_TIME),
        base === undefined ? Promise.resolve() : linkBaseLayout(base, join(work, folders.base)),
      ]);
      await mkdir(join(work, folders.layout), { recursive: true });
      await runBuildx(command, work, signal, (text) => line(`${platform} | ${text}`));
      const [manifest] = await settleAll([
        adoptImage(join(work, folders.layout), platform, expectedImage(release, sourceDateEpoch), options),
        rm(staged, { recursive: true }),
        base === undefined ? Promise.resolve() : storeBase(base, blobs),
      ]);
      return { ...manifest, platform: platformParts(platform) };
    },
  };
}

/**
 * In seconds since 1970, later than any source date: BuildKit clamps later times to the source date, but keeps earlier
 * ones. Using the source date itself wouldn't work: concurrent builds share steps whose files are equal except for
 * times, so one build could get the other's times.
 */
const STAGED_TIME = 2_147_483_647;

/** Settings for environment variables that could make buildx add unplanned content to the image. */
const NEUTRAL = { BUILDX_GIT_LABELS: '0', BUILDX_GIT_INFO: '0', BUILDX_NO_DEFAULT_ATTESTATIONS: '1' };

/**
 * Runs buildx in a folder and passes on its output. Throws `BUILDER` with its error if it fails, and the signal's
 * reason if aborted.
 */
async function runBuildx(
  { file, args }: Command,
  folder: string,
  signal: AbortSignal,
  line: (text: string) => void,
): Promise<void> {
  const child = execa(file, [...args], {
    cwd: folder,
    env: NEUTRAL,
    reject: false,
    stdin: 'ignore',
    all: true,
    cancelSignal: signal,
  });
  let last = '';
  for await (const text of child.iterable({ from: 'all' })) {
    if (text.startsWith('ERROR: ')) last = text;
    line(text);
  }
  const result = await child;
  if (!result.failed) return;
  signal.throwIfAborted();
  throw new PrebuiltError('BUILDER', `docker buildx build: ${cleanText(last || result.shortMessage || '')}`, {
    hint: /no space left/i.test(last)
      ? 'The disk is full: free some space (docker buildx prune) and run it again.'
      : 'Its output is above. A Dockerfile that executes nothing can be built with --builder=daemonless, which needs no engine.',
    cause: result,
  });
}

/**
 * Puts the single image in buildx's layout into a blob folder, its layers compressed: an image whose layers are all
 * compressed already stays as it is. `holdLayoutAgainstPlan` checks its content later. Throws `BUILDER` if there is an
 * image for a different platform, or several, or if a layer isn't what its digest says.
 */
async function adoptImage(
  layout: string,
  platform: Platform,
  expected: ExpectedImage,
  options: BuildxOptions,
): Promise<Descriptor> {
  const [image, ...others] = (await readImageLayout(layout)).images;
  const found = image === undefined ? 'none' : platformName(image.platform);
  if (image === undefined || others.length > 0 || found !== platformName(platformParts(platform))) {
    throw new PrebuiltError('BUILDER', `buildx: expected one image for ${platform}, found ${found}`);
  }
  const { descriptor, manifest } = image;
  const below = expected.base?.layers ?? [];
  const own = manifest.layers.slice(below.length);
  const packed = own.filter(({ mediaType }) => mediaType !== MEDIA_TYPES.layer);
  await moveBlobs(packed, layout, options.blobs);
  if (expected.base === undefined && packed.length === own.length) {
    await moveBlobs([descriptor, manifest.config], layout, options.blobs);
    return { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size };
  }
  const above: Descriptor[] = [];
  for (const [index, layer] of own.entries()) {
    const progress = { platform, layer: index + 1, layers: own.length, total: layer.size };
    above.push(packed.includes(layer) ? layer : await compressed(layer, layout, progress, options));
  }
  const config = await adoptConfig(image, layout, options.blobs, expected);
  return writeImageManifest(options.blobs, config, [...below.map((layer) => layer.descriptor), ...above]);
}

async function moveBlobs(blobs: readonly Descriptor[], from: string, to: string): Promise<void> {
  for (const hex of new Set(blobs.map(({ digest }) => digestHex(digest)))) {
    await rename(join(from, BLOBS_FOLDER, hex), join(to, hex));
  }
}

/*
 * BuildKit would compress each layer twice, before and after it sets the times in it: the whole release took a third
 * longer (measured). Compressed here, a layer also has the same bytes whichever builder made it.
 */
async function compressed(
  { digest }: Descriptor,
  layout: string,
  progress: Omit<LayerProgress, 'done'>,
  { blobs, compression, compressionLevel, signal, onLayer }: BuildxOptions,
): Promise<Descriptor> {
  const tar = readChunks(join(layout, BLOBS_FOLDER, digestHex(digest)), { kept: 2 });
  const options = { compression, compressionLevel, signal, onBytes: countBytes(progress, onLayer) };
  const { descriptor, diffId } = await compressLayer(blobs, tar, options);
  if (diffId !== digest) {
    throw new PrebuiltError('BUILDER', `buildx: layer: expected ${digest}, found ${diffId}`);
  }
  return descriptor;
}

/** BuildKit's comment on history steps that it adds itself if a base doesn't list its layers. */
const EXPORTER = 'buildkit.exporter.image.v0';

/*
 * BuildKit before 0.23 rewrites the base's layers as well, to set the times in them, so they no longer match the base
 * (seen with 0.13). Therefore, use only what it built on top, together with the base's original layers: the layers
 * above, and the configuration, with the base's own diffIDs and history, and with the image's own time instead of the
 * base's, which BuildKit keeps (seen with 0.13). The number of layers above is compared with the plan later.
 */
async function adoptConfig(
  { manifest, config }: LayoutImage,
  layout: string,
  blobs: string,
  { base, history, platform, created }: ExpectedImage,
): Promise<Descriptor> {
  if (base === undefined) {
    await moveBlobs([manifest.config], layout, blobs);
    return manifest.config;
  }
  // Parse it without a schema, since the order of members is part of the image's ID.
  const raw = JSON.parse((await readDocument(layout, manifest.config)).toString('utf8'));
  const { history: found, ...rest } = raw as { readonly history?: unknown };
  const steps = (Array.isArray(found) ? found : []).filter((step) => Object(step).comment !== EXPORTER);
  const own = history.length === 0 ? [] : steps.slice(-history.length);
  const adopted = {
    ...rest,
    ...(platform.variant !== undefined && { variant: platform.variant }),
    created: rfc3339(created),
    history: [...inheritedSteps(base.inherited ?? []), ...own],
    rootfs: {
      type: 'layers',
      diff_ids: [
        ...base.layers.map(({ diffId }) => diffId),
        ...config.rootfs.diff_ids.slice(base.layers.length),
      ],
    },
  };
  return writeBlob(blobs, goJson(sortedMap(adopted)), MEDIA_TYPES.config);
}
