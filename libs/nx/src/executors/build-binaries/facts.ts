import { resolve } from 'node:path';
import { readManifest } from '../../artifacts/manifest.ts';
import { DEFAULT_PLATFORMS, type Platform, parsePlatforms } from '../../artifacts/platform.ts';
import type { ListedFacts } from '../../image/listed/workspace-files.ts';
import { type Lock, readLock } from '../../lock/lock.ts';
import { planSysroot, sysrootFacts } from '../../sysroot/plan.ts';
import { checkPlatforms, configureToolchain } from '../../toolchains/index.ts';
import { type VersionFacts, versionFromFacts } from '../../version/build-version.ts';
import { readVersionFacts } from '../../version/facts.ts';
import type { KeyFacts } from '../key-facts.ts';
import { type ProjectContext, tagPatternFor } from '../project-context.ts';
import type { BuildBinariesOptions } from './options.ts';

/** What a build depends on besides its options and the workspace's files. */
export interface BuildFacts {
  readonly version: VersionFacts;
  readonly lock: Lock;
  /** The program whose build is currently in the output folder; undefined if there is none. */
  readonly former?: string | undefined;
  /** What images contain besides the executables; undefined if nothing is listed. */
  readonly listed?: ListedFacts | undefined;
}

/**
 * Reads what a build depends on: with `outputPath`, also what is in that folder; with `files`, also what they name.
 * Throws `LOCKFILE` for an unusable lock, and whatever reading the version facts throws.
 */
export async function readBuildFacts(
  context: ProjectContext,
  { outputPath, files }: Pick<Partial<BuildBinariesOptions>, 'outputPath' | 'files'>,
): Promise<BuildFacts> {
  const [version, { lock, listed }, former] = await Promise.all([
    readVersion(context),
    readPinned(context, files),
    outputPath === undefined ? undefined : readFormer(resolve(context.root, outputPath)),
  ]);
  return { version, lock, former, listed };
}

function readVersion(context: ProjectContext): Promise<VersionFacts> {
  return readVersionFacts(context.root, process.env, tagPatternFor(context));
}

async function readPinned(
  { root }: ProjectContext,
  files: BuildBinariesOptions['files'],
): Promise<Pick<BuildFacts, 'lock' | 'listed'>> {
  const [lock, listed] = await Promise.all([
    readLock(root),
    files && (await import('../../image/listed/workspace-files.ts')).readListed(root, files),
  ]);
  return { lock, listed };
}

// An unreadable manifest names no program: the build replaces it.
async function readFormer(folder: string): Promise<string | undefined> {
  return readManifest(folder).then(
    ({ manifest }) => manifest.name,
    () => undefined,
  );
}

/**
 * What goes into a build's cache key besides options and files: the version with its commit, the toolchain's own facts,
 * each platform's sysroot packages or files, and what is listed for images. Throws if something can't be read or used.
 */
export async function readKeyFacts(
  options: Partial<BuildBinariesOptions> & Pick<BuildBinariesOptions, 'toolchain' | 'name'>,
  context: ProjectContext,
): Promise<KeyFacts> {
  const { lock, listed } = await readPinned(context, options.files);
  const toolchain = configureToolchain(options.toolchain);
  const platforms = platformsOf(options, toolchain.name);
  const sysroot = { sysrootPackages: [], ...options };
  const [compiler, ...sysroots] = await Promise.all([
    toolchain.keyFacts({ workspaceRoot: context.root, name: options.name, platforms, lock }),
    ...platforms.map((platform) =>
      sysrootFacts(planSysroot(sysroot, context.root, lock, platform), platform),
    ),
  ]);
  const contents = listed && (await listedContents(listed, lock));
  return {
    files: { compiler, sysroots, files: contents },
    rest: async () => versionFromFacts(await readVersion(context)),
  };
}

// Loaded only if something is listed, since every Nx run waits for this.
async function listedContents(listed: ListedFacts, lock: Lock): Promise<unknown> {
  const { listedKeyFacts, planListed } = await import('../../image/listed/plan.ts');
  return listedKeyFacts(planListed(listed, lock));
}

/** The platforms of a build, sorted: from the options, or the default ones. Throws `INVALID_PLATFORM`. */
export function platformsOf(
  { platforms }: Pick<Partial<BuildBinariesOptions>, 'platforms'>,
  toolchain: string,
): readonly Platform[] {
  const wanted = parsePlatforms(platforms ?? DEFAULT_PLATFORMS);
  checkPlatforms(toolchain, wanted);
  return [...wanted].sort();
}
