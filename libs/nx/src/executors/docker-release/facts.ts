import { lstat, realpath } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { type ManifestFile, readManifest } from '../../artifacts/manifest.ts';
import { type Platform, parsePlatforms } from '../../artifacts/platform.ts';
import { readReport, type VerifyReport } from '../../artifacts/verify-report.ts';
import { PrebuiltError } from '../../errors.ts';
import { sha256OfFile } from '../../files/hash.ts';
import { type BaseReading, type Bases, readBases } from '../../image/base/read-bases.ts';
import { type PinnedImages, pinnedImages } from '../../image/base/reference.ts';
import { type BuilderFacts, type EngineFacts, readDockerFacts } from '../../image/builder-facts.ts';
import type { BuildContext, ContextFile } from '../../image/context.ts';
import { artifactChanged } from '../../image/daemonless.ts';
import { parsedDockerfile } from '../../image/release-images.ts';
import { type ImageSources, readImageSources } from '../../image/sources.ts';
import { readLock } from '../../lock/lock.ts';
import type { DockerReleaseOptions } from './options.ts';

/** Everything a release of an image is planned from. */
export interface ReleaseFacts {
  readonly manifest: ManifestFile;
  readonly reports: ReadonlyMap<Platform, VerifyReport>;
  readonly sources: ImageSources;
  /** What the Dockerfile starts from, for each platform; none where that is nothing. */
  readonly bases: Bases;
  /** The other images that the Dockerfile names. */
  readonly pinned: PinnedImages;
  /** Undefined where buildx is not wanted. */
  readonly builder: BuilderFacts | undefined;
  /** Undefined where none answers. */
  readonly engine: EngineFacts | undefined;
  /** Seconds since 1970. */
  readonly now: number;
}

/** Reads what a release is planned from; what is missing there is refused by the plan. */
export async function readReleaseFacts(
  options: DockerReleaseOptions,
  workspaceRoot: string,
  reading: BaseReading = {},
): Promise<ReleaseFacts> {
  const inputPath = resolve(workspaceRoot, options.inputPath);
  const [manifest, { builder, engine }] = await Promise.all([
    readManifest(inputPath),
    readDockerFacts(options.builder, options.builderName),
    // What runs buildx takes as long to load as docker to answer.
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
  return { manifest, reports, sources, bases, pinned, builder, engine, now };
}

/**
 * Holds every file of a context against the manifest, but for its content: there, a regular file reached through no
 * link, of the size and mode that were verified. Throws `ARTIFACT_CHANGED`, naming the file.
 */
export async function checkFiles({ files }: BuildContext, inputPath: string): Promise<void> {
  const root = await realpath(inputPath);
  for (const file of files) {
    const found = await lstat(file.source).catch((cause: NodeJS.ErrnoException) => {
      throw changed(file, cause.code === 'ENOENT' ? 'a file, found none' : `a file: ${cause.message}`, cause);
    });
    const direct = (await realpath(file.source)) === join(root, relative(inputPath, file.source));
    if (!found.isFile() || !direct) {
      throw changed(
        file,
        `a regular file, found ${found.isFile() || found.isSymbolicLink() ? 'a link' : 'something else'}`,
      );
    }
    if (found.size !== file.size) throw changed(file, `${file.size} bytes, found ${found.size}`);
    const executable = (found.mode & 0o111) !== 0;
    if (executable !== ((file.mode & 0o111) !== 0)) {
      throw changed(file, `the mode ${file.mode.toString(8)}, found ${(found.mode & 0o777).toString(8)}`);
    }
  }
}

/**
 * Holds the content of files against the manifest; of those whose `source` is in `checkedLater` it is left to whoever
 * reads them next. Throws `ARTIFACT_CHANGED`, naming the file.
 */
export async function checkContent(
  { files }: BuildContext,
  checkedLater: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const { source, sha256: expected } of files) {
    if (checkedLater.has(source)) continue;
    const sha256 = await sha256OfFile(source);
    if (sha256 !== expected) throw artifactChanged(source, expected, sha256);
  }
}

function changed({ source }: ContextFile, problem: string, cause?: unknown): PrebuiltError {
  return new PrebuiltError('ARTIFACT_CHANGED', `${source}: expected ${problem}`, {
    hint: 'The folder is not what was built and verified: {run build-binaries}, and verify it.',
    cause,
  });
}
