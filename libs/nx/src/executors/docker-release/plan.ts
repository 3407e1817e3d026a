import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { rfc3339 } from '@prebuilt/oci';
import type { Manifest, PlatformArtifact } from '../../artifacts/manifest.ts';
import { type Platform, parsePlatforms, platformSuffix } from '../../artifacts/platform.ts';
import { requirePassingReport } from '../../artifacts/verify-report.ts';
import { DockerfileError } from '../../dockerfile/errors.ts';
import { PrebuiltError } from '../../errors.ts';
import { outputInWorkspace } from '../../files/workspace-path.ts';
import type { PinnedImages } from '../../image/base/reference.ts';
import type { PlatformFolders } from '../../image/buildx.ts';
import { ALTERNATIVES, requireFullProof } from '../../image/merged-proof.ts';
import type { ImagePlan, PlannedBase, Unplanned } from '../../image/plan.ts';
import { dockerfileOf, planReleaseImages, type ReleaseImage } from '../../image/release-images.ts';
import type { Command } from '../../process/command.ts';
import type { ReleaseFacts } from './facts.ts';
import type { DockerReleaseOptions } from './options.ts';

/** One platform of a release. */
export interface PlatformRelease extends ReleaseImage {
  /** Undefined with the daemonless builder. */
  readonly command: Command | undefined;
}

/** What a release will do. Paths are absolute; times are seconds since 1970. */
export interface DockerReleasePlan {
  readonly builder: 'buildx' | 'daemonless';
  /** Why this builder was chosen. */
  readonly reason: string;
  readonly name: string;
  readonly version: string;
  readonly manifestSha256: string;
  readonly sourceDateEpoch: number;
  readonly compression: 'gzip' | 'zstd';
  readonly compressionLevel?: number;
  readonly inputPath: string;
  readonly outputPath: string;
  readonly platforms: readonly PlatformRelease[];
}

/**
 * Plans a release. Throws, before any work is done, for invalid options, a platform without a passing report for this
 * exact manifest, a Dockerfile that the builders would interpret differently, or a builder that can't do what is asked.
 */
export function planDockerRelease(
  options: DockerReleaseOptions,
  workspaceRoot: string,
  facts: ReleaseFacts,
): DockerReleasePlan {
  const { manifest, sha256: manifestSha256 } = facts.manifest;
  const inputPath = resolve(workspaceRoot, options.inputPath);
  if (options.compressionLevel !== undefined && options.compression !== 'zstd') {
    throw new PrebuiltError(
      'INVALID_OPTIONS',
      `compressionLevel: needs --compression=zstd, found ${options.compression}`,
      { hint: 'The gzip level is fixed, so that the same files always give the same bytes.' },
    );
  }
  const artifacts = wantedArtifacts(options, manifest);
  for (const artifact of artifacts) {
    const report = facts.reports.get(artifact.platform);
    requirePassingReport(report, artifact, manifestSha256, options.verifyPath);
  }
  const images = planReleaseImages(options, artifacts, {
    manifest,
    inputPath,
    sources: facts.sources,
    historyFormat: options.historyFormat,
    bases: facts.bases,
  });
  const unplanned = images.flatMap(({ image }) => image.unplanned);
  if (options.requireFullProof) requireFullProof(unplanned.map(({ what }) => what));
  const chosen = chooseBuilder(options, facts, {
    // A pinned frontend reads the Dockerfile instead, so BuildKit's version does not matter.
    needs: facts.pinned.frontend === undefined ? images.flatMap(({ image }) => image.needs) : [],
    unplanned,
  });
  if (chosen.builder === 'buildx' && manifest.sourceDateEpoch > facts.now) {
    throw new PrebuiltError(
      'BUILDER',
      `manifest: expected a source date in the past, found ${rfc3339(manifest.sourceDateEpoch)}`,
      {
        hint: "BuildKit can't set times in the future: check this machine's clock, or use --builder=daemonless.",
      },
    );
  }
  return {
    ...chosen,
    name: manifest.name,
    version: manifest.version,
    manifestSha256,
    sourceDateEpoch: manifest.sourceDateEpoch,
    compression: options.compression,
    ...(options.compressionLevel !== undefined && { compressionLevel: options.compressionLevel }),
    inputPath,
    outputPath: outputInWorkspace(workspaceRoot, options.outputPath),
    platforms: images.map((image) => ({
      ...image,
      command: chosen.builder === 'buildx' ? buildxCommand(options, facts, image) : undefined,
    })),
  };
}

/**
 * The folders of a platform. The context's name depends on its content: if a builder has seen other content in a folder
 * with the same base name, wherever that was, it only compares times and sizes, and keeps what it had.
 */
export function platformFolders(
  manifestSha256: string,
  dockerfile: Uint8Array,
  platform: Platform,
): PlatformFolders {
  const id = createHash('sha256').update(manifestSha256).update(dockerfile).digest('hex').slice(0, 16);
  const suffix = platformSuffix(platform);
  return { context: `context-${id}-${suffix}`, layout: `layout/${suffix}`, base: `base/${suffix}` };
}

/*
 * One buildx run per platform, in parallel. That way, labels can differ by platform (--label can't), the context
 * contains only that platform's files, and a platform's image does not depend on which others are built. It takes no
 * longer than one run for all. The index is written here, so it is the same for both builders.
 * --no-cache, because BuildKit's cache ignores times: cached files with an earlier source date would stay in the image.
 */
function buildxCommand(
  options: DockerReleaseOptions,
  facts: ReleaseFacts,
  { platform, labels, image: { base } }: ReleaseImage,
): Command {
  const folders = platformFolders(
    facts.manifest.sha256,
    dockerfileOf(facts.sources, facts.manifest.manifest),
    platform,
  );
  const output = [
    'type=oci',
    `dest=${folders.layout}`,
    'tar=false',
    'rewrite-timestamp=true',
    'oci-mediatypes=true',
    'compression=uncompressed',
    // Also if its cache has a layer of these bytes that is compressed.
    'force-compression=true',
  ];
  return {
    file: 'docker',
    args: [
      'buildx',
      'build',
      ...(options.builderName === undefined ? [] : [`--builder=${options.builderName}`]),
      `--platform=${platform}`,
      '--file=Dockerfile',
      '--no-cache',
      '--provenance=false',
      '--sbom=false',
      '--progress=plain',
      `--build-arg=SOURCE_DATE_EPOCH=${facts.manifest.manifest.sourceDateEpoch}`,
      ...Object.entries(labels).map(([name, value]) => `--label=${name}=${value}`),
      ...contextArguments(base, folders, facts.pinned),
      `--output=${output.join(',')}`,
      folders.context,
    ],
  };
}

/*
 * Passes each image by its digest. The base comes from a layout on disk, unless another stage needs it too, perhaps for
 * another platform: then the builder fetches it like the others.
 */
function contextArguments(
  base: PlannedBase | undefined,
  folders: PlatformFolders,
  { images, frontend }: PinnedImages,
): readonly string[] {
  const isFetched = images.some(({ name }) => name === base?.name);
  return [
    ...(base === undefined || isFetched
      ? []
      : [`--build-context=${base.name}=oci-layout://${folders.base}@${base.manifest.digest}`]),
    ...images.map(({ name, reference }) => `--build-context=${name}=docker-image://${reference}`),
    ...(frontend === undefined ? [] : [`--build-arg=BUILDKIT_SYNTAX=${frontend.reference}`]),
  ];
}

function wantedArtifacts(options: DockerReleaseOptions, manifest: Manifest): readonly PlatformArtifact[] {
  if (options.platforms === undefined) return manifest.platforms;
  return [...parsePlatforms(options.platforms)].sort().map((platform) => {
    const artifact = manifest.platforms.find((each) => each.platform === platform);
    if (artifact !== undefined) return artifact;
    const listed = manifest.platforms.map((each) => each.platform).join(', ');
    throw new PrebuiltError(
      'INVALID_OPTIONS',
      `platforms: expected platforms of the manifest (${listed}), found ${platform}`,
      { hint: `Build it first: {run build-binaries} --platforms=${platform}` },
    );
  });
}

function chooseBuilder(
  { builder }: DockerReleaseOptions,
  { builder: facts }: ReleaseFacts,
  { needs, unplanned: [executed] }: Pick<ImagePlan, 'needs' | 'unplanned'>,
): Pick<DockerReleasePlan, 'builder' | 'reason'> {
  if (builder === 'daemonless' || facts === undefined) {
    if (executed !== undefined) throw needsBuildx(executed, 'but --builder=daemonless executes nothing');
    return { builder: 'daemonless', reason: 'as requested' };
  }
  if (!facts.usable) {
    if (builder === 'auto' && executed !== undefined)
      throw needsBuildx(executed, `which can't be used here: ${facts.reason}`, facts.hint);
    if (builder === 'auto') return { builder: 'daemonless', reason: facts.reason };
    throw new PrebuiltError('BUILDER', `--builder=buildx: expected a usable builder: ${facts.reason}`, {
      hint: facts.hint,
    });
  }
  const lacking = needs.find(({ since }) => !isVersionAtLeast(facts.buildkit, since));
  if (lacking !== undefined) {
    const found = facts.buildkit === undefined ? 'an unknown version' : facts.buildkit.replace(/^v/, '');
    const reason = `${lacking.what} needs BuildKit ${lacking.since}, but builder ${facts.name} has ${found}`;
    if (builder === 'auto' && executed === undefined) return { builder: 'daemonless', reason };
    throw new PrebuiltError('BUILDER', `--builder=buildx: ${reason}`, {
      hint:
        executed === undefined
          ? 'Use a newer builder, or --builder=daemonless, which supports it.'
          : `Use a newer builder: ${executed.what} can't be built without one.`,
    });
  }
  const version = facts.buildx === undefined ? '' : ` ${facts.buildx}`;
  const which = `builder ${facts.name} (${facts.driver}) of buildx${version}`;
  return { builder: 'buildx', reason: builder === 'auto' ? `${which} is usable` : `as requested: ${which}` };
}

function needsBuildx({ source, line, keyword }: Unplanned, problem: string, hint?: string): DockerfileError {
  return new DockerfileError('DOCKERFILE_REFUSED', { source, line, keyword }, `needs buildx, ${problem}`, {
    hint: `${hint ?? 'Use --builder=buildx: then only part of the image is proven.'} Or avoid it: ${ALTERNATIVES}`,
  });
}

function isVersionAtLeast(found: string | undefined, wanted: string): boolean {
  const [major = 0, minor = 0] = (/^v?(\d+)\.(\d+)/.exec(found ?? '') ?? []).slice(1).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
