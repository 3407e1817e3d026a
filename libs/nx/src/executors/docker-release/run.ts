import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createImageLayout,
  type Digest,
  REF_NAME,
  readImageLayout,
  rfc3339,
  startLayerThreads,
  writeImageIndex,
  writeIndexFile,
} from '@prebuilt/oci';
import type { Platform } from '../../artifacts/platform.ts';
import { replaceFolder } from '../../files/output-folder.ts';
import type { Bases } from '../../image/base/read-bases.ts';
import type { ImageBuilder, LayerProgress } from '../../image/builder.ts';
import { checkContent, checkFiles } from '../../image/check-context.ts';
import { daemonlessBuilder } from '../../image/daemonless.ts';
import { layoutRecord } from '../../image/layout-record.ts';
import type { ReducedProof } from '../../image/merged-proof.ts';
import { holdLayoutAgainstPlan } from '../../image/proof.ts';
import { expectedImage } from '../../image/release-images.ts';
import { settleAll } from '../../process/settle-all.ts';
import { type DockerReleasePlan, platformFolders } from './plan.ts';

/** The files that this target writes. A folder that contains anything else is left alone. */
const OWN_FILES = /^(?:oci-layout|index\.json|blobs)$/;

/** What a release produced: the index and each platform's image. Sizes are bytes; times are milliseconds. */
export interface DockerRelease {
  readonly builder: DockerReleasePlan['builder'];
  readonly digest: Digest;
  readonly images: readonly PlatformImage[];
}

/** One platform's image. Its size is the total size of its blobs. */
export interface PlatformImage {
  readonly platform: Platform;
  readonly digest: Digest;
  /** The digest of the configuration: the image's ID. */
  readonly imageId: Digest;
  readonly size: number;
  readonly timeMs: number;
  /** Its base, and how many of its layers come from there; absent for an image from scratch. */
  readonly base?: { readonly reference: string; readonly layers: number };
  /** What the proof does not cover because something was executed; absent if every path was compared. */
  readonly reducedProof?: ReducedProof;
}

/** What an image is built from, besides its plan. */
export interface ReleaseInputs {
  readonly dockerfile: Uint8Array;
  readonly bases: Bases;
}

/** Callbacks for progress. */
export interface ReleaseProgress {
  readonly line: (text: string) => void;
  readonly layer: (progress: LayerProgress) => void;
}

/** Compares the files of every platform with the manifest. Throws `ARTIFACT_CHANGED`. */
export async function checkArtifacts({ platforms, inputPath }: DockerReleasePlan): Promise<void> {
  await settleAll(platforms.map(({ context }) => checkFiles(context, inputPath)));
  await settleAll(platforms.map(({ context }) => checkContent(context)));
}

/**
 * Builds the images of all platforms in parallel and renames the finished layout into place: a failed or interrupted
 * release keeps the previous one. Throws what `checkArtifacts` throws, and `BUILDER` if buildx fails or the result
 * differs from the plan.
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
    const builder = await builderOf(plan, { blobs, work, dockerfile, signal: either }, progress);
    const built = await settleAll(
      plan.platforms.map(async (release) => {
        const started = performance.now();
        try {
          return { manifest: await builder.build(release), timeMs: performance.now() - started };
        } catch (error) {
          // Report why the first platform failed, not that the others were stopped.
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

/** The approximate size of each layer in bytes. */
function layerSizes({ platforms }: DockerReleasePlan): readonly number[] {
  return platforms.flatMap(({ image }) =>
    image.layers.map((paths) => paths.reduce((sum, { file }) => sum + (file?.size ?? 0), 0)),
  );
}

const REFUSAL = {
  code: 'BUILDER',
  subject: 'the image that was built is not the one that was planned',
  hint: 'Nothing was written. Does the builder modify images (as a remote builder or a plugin may)? Try --builder=daemonless.',
} as const;

const EXECUTED_REFUSAL = {
  ...REFUSAL,
  hint: 'Nothing was written. What the Dockerfile executes must not change or move verified files.',
} as const;

interface Workplace {
  readonly blobs: string;
  readonly work: string;
  readonly dockerfile: Uint8Array;
  readonly signal: AbortSignal;
}

/** The planned builder. The code for buildx is only loaded if it is needed. */
async function builderOf(
  plan: DockerReleasePlan,
  { blobs, work, dockerfile, signal }: Workplace,
  progress: ReleaseProgress,
): Promise<ImageBuilder> {
  const { compression, compressionLevel, sourceDateEpoch, platforms } = plan;
  if (plan.builder === 'daemonless') {
    const { layer: onLayer } = progress;
    const unpacked = join(work, 'unpacked');
    return daemonlessBuilder(blobs, {
      compression,
      compressionLevel,
      sourceDateEpoch,
      unpacked,
      signal,
      onLayer,
    });
  }
  const { buildxBuilder } = await import('../../image/buildx.ts');
  return buildxBuilder({
    blobs,
    work,
    compression,
    compressionLevel,
    sourceDateEpoch,
    signal,
    line: progress.line,
    onLayer: progress.layer,
    runOf: (platform) => {
      const command = platforms.find((each) => each.platform === platform)?.command;
      if (command === undefined) throw new Error(`${platform}: planned without a command`);
      return { command, folders: platformFolders(plan.manifestSha256, dockerfile, platform) };
    },
  });
}
