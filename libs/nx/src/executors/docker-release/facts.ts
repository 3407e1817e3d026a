import { lstat, readFile, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type ManifestFile, type PlatformArtifact, readManifest } from '../../artifacts/manifest.ts';
import type { Platform } from '../../artifacts/platform.ts';
import { readReport, type VerifyReport } from '../../artifacts/verify-report.ts';
import { PrebuiltError } from '../../errors.ts';
import { sha256OfFile } from '../../files/hash.ts';
import {
  type BuilderFacts,
  type EngineFacts,
  readDockerFacts,
  readEngineFacts,
} from '../../image/builder-facts.ts';
import type { BuildContext, ContextFile } from '../../image/context.ts';
import { artifactChanged } from '../../image/daemonless.ts';
import { generateDockerfile } from '../../image/generated-dockerfile.ts';
import type { ProjectContext } from '../project-context.ts';
import type { DockerReleaseOptions } from './options.ts';

/** What the workspace's package.json says of the program. */
export interface PackageFacts {
  readonly repository: string | undefined;
  readonly license: string | undefined;
}

/** Everything a release of an image is planned from. */
export interface ReleaseFacts {
  readonly manifest: ManifestFile;
  readonly reports: ReadonlyMap<Platform, VerifyReport>;
  readonly dockerfile: Uint8Array;
  readonly packageFacts: PackageFacts;
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
): Promise<ReleaseFacts> {
  const [manifest, written, packageFacts, { builder, engine }] = await Promise.all([
    readManifest(resolve(workspaceRoot, options.inputPath)),
    options.dockerfile === undefined
      ? undefined
      : readDockerfileBytes(resolve(workspaceRoot, options.dockerfile)),
    readPackageFacts(join(workspaceRoot, 'package.json')),
    readDocker(options),
    // What runs buildx takes as long to load as docker to answer.
    options.builder === 'daemonless' ? undefined : import('../../image/buildx.ts'),
  ]);
  const reports = new Map<Platform, VerifyReport>();
  for (const { platform } of manifest.manifest.platforms) {
    const report = await readReport(resolve(workspaceRoot, options.verifyPath), platform);
    if (report !== undefined) reports.set(platform, report);
  }
  const dockerfile = written ?? Buffer.from(generateDockerfile(manifest.manifest));
  const now = Math.floor(Date.now() / 1000);
  return { manifest, reports, dockerfile, packageFacts, builder, engine, now };
}

async function readDocker({
  builder,
  builderName,
}: Pick<DockerReleaseOptions, 'builder' | 'builderName'>): Promise<Pick<ReleaseFacts, 'builder' | 'engine'>> {
  if (builder === 'daemonless') return { builder: undefined, engine: await readEngineFacts() };
  return readDockerFacts(builderName);
}

/**
 * What an image depends on beyond files: which builder packs it, with its versions and those of the engine, and what the
 * labels are read from.
 */
export async function readKeyFacts(
  { builder = 'auto', builderName, imageSource, imageLicenses }: Partial<DockerReleaseOptions>,
  { root }: ProjectContext,
): Promise<unknown> {
  const [packageFacts, docker] = await Promise.all([
    readPackageFacts(join(root, 'package.json')),
    readDocker({ builder, ...(builderName !== undefined && { builderName }) }),
  ]);
  return {
    ...docker,
    repository: imageSource ?? packageFacts.repository,
    license: imageLicenses ?? packageFacts.license,
  };
}

/** A platform's files as a build context: its executable and its runtime folder, as the manifest lists them. */
export function contextOf(artifact: PlatformArtifact, inputPath: string): BuildContext {
  const { path, size, sha256, runtime } = artifact;
  const executable: ContextFile = { path, source: join(inputPath, path), mode: 0o755, size, sha256 };
  const files = runtime.files.map((file): ContextFile => {
    const inner = `${runtime.path}/${file.path}`;
    const mode = file.mode === '0755' ? 0o755 : 0o644;
    return { path: inner, source: join(inputPath, inner), mode, size: file.size, sha256: file.sha256 };
  });
  return { files: [executable, ...files], folders: [runtime.path] };
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
    const direct = (await realpath(file.source)) === join(root, file.path);
    if (!found.isFile() || !direct) {
      throw changed(
        file,
        `a regular file, found ${found.isFile() || found.isSymbolicLink() ? 'a link' : 'something else'}`,
      );
    }
    if (found.size !== file.size) throw changed(file, `${file.size} bytes, found ${found.size}`);
    const executable = (found.mode & 0o111) !== 0;
    if (executable !== (file.mode === 0o755)) {
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

async function readDockerfileBytes(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new PrebuiltError('INVALID_OPTIONS', `dockerfile: ${path}: can't be read: ${cause.message}`, {
      cause,
    });
  });
}

async function readPackageFacts(path: string): Promise<PackageFacts> {
  let data: Readonly<Record<string, unknown>>;
  try {
    data = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      return { repository: undefined, license: undefined };
    throw new PrebuiltError('INVALID_OPTIONS', `${path}: can't be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  const { license } = data;
  return {
    repository: repositoryUrl(data.repository),
    license: typeof license === 'string' ? license : undefined,
  };
}

function repositoryUrl(repository: unknown): string | undefined {
  const named = typeof repository === 'object' && repository !== null && 'url' in repository;
  const text = named ? repository.url : repository;
  if (typeof text !== 'string') return undefined;
  const url = text.replace(/^git\+/, '').replace(/\.git$/, '');
  return URL.canParse(url) && url.startsWith('https://') ? url : undefined;
}
