import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createImageLayout,
  type Descriptor,
  type Digest,
  REF_NAME,
  readImageLayout,
  rfc3339,
  startLayerThreads,
  writeImageIndex,
  writeIndexFile,
} from '@prebuilt/oci';
import { type Platform, platformParts } from '../../artifacts/platform.ts';
import { replaceFolder } from '../../files/output-folder.ts';
import type { Bases } from '../../image/base/read-bases.ts';
import { linkBaseLayout, storeBase } from '../../image/base/stored-base.ts';
import { assembleImage, type LayerProgress } from '../../image/daemonless.ts';
import { layoutRecord } from '../../image/layout-record.ts';
import type { ReducedProof } from '../../image/merged-proof.ts';
import { holdLayoutAgainstPlan } from '../../image/proof.ts';
import { expectedImage } from '../../image/release-images.ts';
import { stageContext } from '../../image/stage-context.ts';
import { settleAll } from '../../process/settle-all.ts';
import { checkContent, checkFiles } from './facts.ts';
import { type DockerReleasePlan, type PlatformRelease, platformFolders } from './plan.ts';

/** What this target writes into its folder: one that holds anything else is left alone. */
const OWN_FILES = /^(?:oci-layout|index\.json|blobs)$/;

/** What a release made: the index, and each platform's image. Sizes are bytes, times are milliseconds. */
export interface DockerRelease {
  readonly builder: DockerReleasePlan['builder'];
  readonly digest: Digest;
  readonly images: readonly PlatformImage[];
}

/** One platform's image; its size is that of its blobs together. */
export interface PlatformImage {
  readonly platform: Platform;
  readonly digest: Digest;
  /** The digest of the configuration: the image's ID. */
  readonly imageId: Digest;
  readonly size: number;
  readonly timeMs: number;
  /** What it starts from, and how many of its layers are from there; absent of an image from scratch. */
  readonly base?: { readonly reference: string; readonly layers: number };
  /** What the proof does not speak of, where something was executed; absent where every path was compared. */
  readonly reducedProof?: ReducedProof;
}

/** What an image is made from besides its plan. */
export interface ReleaseInputs {
  readonly dockerfile: Uint8Array;
  readonly bases: Bases;
}

/** Told how the work goes. */
export interface ReleaseProgress {
  readonly line: (text: string) => void;
  readonly layer: (progress: LayerProgress) => void;
}

/** Holds the files of every platform against the manifest. Throws `ARTIFACT_CHANGED`. */
export async function checkArtifacts({ platforms, inputPath }: DockerReleasePlan): Promise<void> {
  await settleAll(platforms.map(({ context }) => checkFiles(context, inputPath)));
  await settleAll(platforms.map(({ context }) => checkContent(context)));
}

/**
 * Builds the images of all platforms side by side and puts the finished layout in place by rename: a failed or
 * interrupted release leaves the former one. Throws what `checkArtifacts` throws, and `BUILDER` where buildx fails
 * or what was written is not what was planned.
 */
export async function runDockerRelease(
  plan: DockerReleasePlan,
  { dockerfile, bases }: ReleaseInputs,
  progress: ReleaseProgress,
): Promise<DockerRelease> {
  await settleAll(plan.platforms.map(({ context }) => checkFiles(context, plan.inputPath)));
  return replaceFolder(plan.outputPath, OWN_FILES, async (folder, signal) => {
    const blobs = await createImageLayout(folder);
    const work = join(folder, '.work');
    await mkdir(work);
    await writeFile(join(work, 'Dockerfile'), dockerfile);
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    await using threads = startLayerThreads(layerSizes(plan));
    const built = await settleAll(
      plan.platforms.map(async (release) => {
        const started = performance.now();
        try {
          const image = { plan, release, blobs, work, dockerfile, signal: either };
          const manifest = await (release.command === undefined
            ? assemble(image, progress)
            : build(image, progress));
          return { manifest, timeMs: performance.now() - started };
        } catch (error) {
          // What the first platform failed by counts, not that the others were stopped.
          stop.abort(error);
          throw signal.aborted ? signal.reason : stop.signal.reason;
        }
      }),
    );
    await rm(work, { recursive: true });
    const manifests = built.map(({ manifest }) => manifest);
    const index = await writeImageIndex(blobs, manifests);
    const expected = plan.platforms.map((release) => expectedImage(release, plan.sourceDateEpoch));
    await writeIndexFile(folder, index, {
      [REF_NAME]: plan.version,
      'org.opencontainers.image.created': rfc3339(plan.sourceDateEpoch),
      ...layoutRecord(plan.manifestSha256, expected, index.digest),
    });
    const layout = await readImageLayout(folder);
    const proofs = await holdLayoutAgainstPlan(
      layout,
      expected.map((image, at) => ({
        expected: image,
        base: bases.get(plan.platforms[at]?.platform as Platform),
      })),
      threads,
      expected.some(({ unplanned }) => unplanned !== undefined) ? EXECUTED_REFUSAL : REFUSAL,
    );
    const { images } = layout;
    return {
      builder: plan.builder,
      digest: index.digest,
      images: plan.platforms.flatMap(({ platform, image: { base } }, at) => {
        const image = images[at];
        if (image === undefined) return [];
        const { config, layers } = image.manifest;
        const size = [image.descriptor, config, ...layers].reduce((total, each) => total + each.size, 0);
        const fromBase = base && { base: { reference: base.reference, layers: base.layers.length } };
        const timeMs = Math.round(built[at]?.timeMs ?? 0);
        const { digest } = image.descriptor;
        const reducedProof = proofs[at];
        return [
          {
            platform,
            digest,
            imageId: config.digest,
            size,
            timeMs,
            ...fromBase,
            ...(reducedProof !== undefined && { reducedProof }),
          },
        ];
      }),
    };
  });
}

/** The files whose content is held against the manifest while it is packed: reading them twice would prove no more. */
function packedFiles({ image }: PlatformRelease): ReadonlySet<string> {
  return new Set(image.layers.flat().flatMap(({ file }) => file?.source ?? []));
}

/** About how many bytes each layer has. */
function layerSizes({ platforms }: DockerReleasePlan): readonly number[] {
  return platforms.flatMap(({ image }) =>
    image.layers.map((paths) => paths.reduce((sum, { file }) => sum + (file?.size ?? 0), 0)),
  );
}

const REFUSAL = {
  code: 'BUILDER',
  subject: 'the image that was built is not the one that was planned',
  hint: 'Nothing was written. Does the builder change images (a remote one, a plugin)? Try --builder=daemonless.',
} as const;

const EXECUTED_REFUSAL = {
  ...REFUSAL,
  hint: 'Nothing was written. What the Dockerfile executes must leave verified files as they are, at the paths they are copied to.',
} as const;

interface ImageWork {
  readonly plan: DockerReleasePlan;
  readonly release: PlatformRelease;
  readonly blobs: string;
  readonly work: string;
  readonly dockerfile: Uint8Array;
  readonly signal: AbortSignal;
}

async function assemble(
  { plan, release, blobs, signal }: ImageWork,
  progress: ReleaseProgress,
): Promise<Descriptor> {
  await checkContent(release.context, packedFiles(release));
  return assembleImage(blobs, release.image, {
    platform: release.platform,
    compression: plan.compression,
    compressionLevel: plan.compressionLevel,
    sourceDateEpoch: plan.sourceDateEpoch,
    signal,
    onLayer: progress.layer,
  });
}

/**
 * Seconds since 1970, later than any source date: BuildKit takes later times back to the source date. An equal time
 * would not do: builds that run side by side share the steps whose files are alike, times not counted, so that one
 * would get the other's times, and earlier ones stay.
 */
const STAGED_TIME = 2_147_483_647;

async function build(
  { plan, release, blobs, work, dockerfile, signal }: ImageWork,
  progress: ReleaseProgress,
): Promise<Descriptor> {
  const {
    platform,
    context,
    command,
    image: { base },
  } = release;
  if (command === undefined) throw new Error(`${platform}: planned without a command`);
  const { adoptImage, runBuildx } = await import('../../image/buildx.ts');
  const folders = platformFolders(plan.manifestSha256, dockerfile, platform);
  const staged = join(work, folders.context);
  await settleAll([
    checkContent(context),
    stageContext(context, staged, STAGED_TIME),
    base === undefined ? Promise.resolve() : linkBaseLayout(base, join(work, folders.base)),
  ]);
  await mkdir(join(work, folders.layout), { recursive: true });
  await runBuildx(command, work, signal, (text) => progress.line(`${platform} | ${text}`));
  const [manifest] = await settleAll([
    adoptImage(join(work, folders.layout), blobs, platform, expectedImage(release, plan.sourceDateEpoch)),
    rm(staged, { recursive: true }),
    base === undefined ? Promise.resolve() : storeBase(base, blobs),
  ]);
  return { ...manifest, platform: platformParts(platform) };
}
