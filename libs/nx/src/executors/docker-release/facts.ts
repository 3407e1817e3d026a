import { resolve } from 'node:path';
import { type ManifestFile, readManifest } from '../../artifacts/manifest.ts';
import { type Platform, parsePlatforms } from '../../artifacts/platform.ts';
import { readReport, type VerifyReport } from '../../artifacts/verify-report.ts';
import { type BaseReading, type Bases, readBases } from '../../image/base/read-bases.ts';
import { type PinnedImages, pinnedImages } from '../../image/base/reference.ts';
import { type BuilderFacts, readDockerFacts } from '../../image/builder-facts.ts';
import { parsedDockerfile } from '../../image/release-images.ts';
import { type ImageSources, readImageSources } from '../../image/sources.ts';
import { readLock } from '../../lock/lock.ts';
import type { DockerReleaseOptions } from './options.ts';

/** Everything that an image release is planned from. */
export interface ReleaseFacts {
  readonly manifest: ManifestFile;
  readonly reports: ReadonlyMap<Platform, VerifyReport>;
  readonly sources: ImageSources;
  /** The Dockerfile's base image for each platform; empty if it starts from scratch. */
  readonly bases: Bases;
  /** The other images that the Dockerfile names. */
  readonly pinned: PinnedImages;
  /** Undefined if buildx is not wanted. */
  readonly builder: BuilderFacts | undefined;
  /** Seconds since 1970. */
  readonly now: number;
}

/** Reads what a release is planned from, asking Docker with `readDocker`. The plan refuses what is missing. */
export async function readReleaseFacts(
  options: DockerReleaseOptions,
  workspaceRoot: string,
  reading: BaseReading = {},
  readDocker: typeof readDockerFacts = readDockerFacts,
): Promise<ReleaseFacts> {
  const inputPath = resolve(workspaceRoot, options.inputPath);
  const [manifest, docker] = await Promise.all([
    readManifest(inputPath),
    options.builder === 'daemonless' ? undefined : readDocker(options.builder, options.builderName),
    // The code for buildx takes as long to load as docker takes to answer.
    options.builder === 'daemonless' ? undefined : import('../../image/buildx.ts'),
  ]);
  const sources = await readImageSources(workspaceRoot, options.dockerfile, {
    manifest: manifest.manifest,
    inputPath,
  });
  const reports = new Map<Platform, VerifyReport>();
  for (const { platform } of manifest.manifest.platforms) {
    const report = await readReport(resolve(workspaceRoot, options.verifyPath), platform);
    if (report !== undefined) reports.set(platform, report);
  }
  const wanted = options.platforms === undefined ? undefined : new Set(parsePlatforms(options.platforms));
  const platforms = manifest.manifest.platforms
    .map(({ platform }) => platform)
    .filter((platform) => wanted?.has(platform) ?? true);
  const dockerfile = parsedDockerfile(options, sources, manifest.manifest);
  const pinned = pinnedImages(dockerfile, await readLock(workspaceRoot));
  const bases = await readBases(workspaceRoot, dockerfile, platforms, reading);
  const now = Math.floor(Date.now() / 1000);
  return { manifest, reports, sources, bases, pinned, builder: docker?.builder, now };
}
