import { resolve } from 'node:path';
import { readManifest } from '../../artifacts/manifest.ts';
import { type Platform, parsePlatforms } from '../../artifacts/platform.ts';
import type { ListedFacts } from '../../image/listed/workspace-files.ts';
import { type Lock, readLock } from '../../lock/lock.ts';
import { planSysroot, sysrootFacts } from '../../sysroot/plan.ts';
import { checkPlatforms, configureToolchain, findToolchain } from '../../toolchains/index.ts';
import { type VersionFacts, versionFromFacts } from '../../version/build-version.ts';
import { readVersionFacts } from '../../version/facts.ts';
import { type ProjectContext, tagPatternFor } from '../project-context.ts';
import type { BuildBinariesOptions } from './options.ts';

/** What a build depends on beside its options and the workspace's files. */
export interface BuildFacts {
  readonly version: VersionFacts;
  readonly lock: Lock;
  /** The program whose build is in the output folder now; undefined where there is none. */
  readonly former?: string | undefined;
  /** What images get beside executables; undefined where nothing is listed. */
  readonly listed?: ListedFacts | undefined;
}

/**
 * Reads what a build depends on: with `outputPath` what is in that folder, with `files` what they name. Throws `LOCKFILE`
 * for a lock that can't be used, and what the version's facts throw.
 */
export async function readBuildFacts(
  context: ProjectContext,
  { outputPath, files }: Pick<Partial<BuildBinariesOptions>, 'outputPath' | 'files'>,
): Promise<BuildFacts> {
  const [version, lock, former, listed] = await Promise.all([
    readVersionFacts(context.root, process.env, tagPatternFor(context)),
    readLock(context.root),
    outputPath === undefined ? undefined : readFormer(resolve(context.root, outputPath)),
    files && (await import('../../image/listed/workspace-files.ts')).readListed(context.root, files),
  ]);
  return { version, lock, former, listed };
}

// A manifest that can't be read tells of no program: the build replaces it.
async function readFormer(folder: string): Promise<string | undefined> {
  return readManifest(folder).then(
    ({ manifest }) => manifest.name,
    () => undefined,
  );
}

/**
 * What goes into the key of a build beside options and files: the version with its commit, the toolchain's own facts,
 * for each platform the packages or files of its sysroot, and what is listed for images. Throws what can't be read or
 * used.
 */
export async function readKeyFacts(
  options: Partial<BuildBinariesOptions> & Pick<BuildBinariesOptions, 'toolchain' | 'name'>,
  context: ProjectContext,
): Promise<unknown> {
  const { files } = options;
  const { version, lock, listed } = await readBuildFacts(context, files === undefined ? {} : { files });
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
  return { version: versionFromFacts(version), compiler, sysroots, files: contents };
}

// Loaded where something is listed: every run of Nx waits for this.
async function listedContents(listed: ListedFacts, lock: Lock): Promise<unknown> {
  const { listedKeyFacts, planListed } = await import('../../image/listed/plan.ts');
  return listedKeyFacts(planListed(listed, lock));
}

/** The platforms of a build, sorted: what the options say, else the toolchain's own. Throws `INVALID_PLATFORM`. */
export function platformsOf(
  { platforms }: Pick<Partial<BuildBinariesOptions>, 'platforms'>,
  toolchain: string,
): readonly Platform[] {
  const wanted =
    platforms === undefined ? findToolchain(toolchain).defaultPlatforms : parsePlatforms(platforms);
  checkPlatforms(toolchain, wanted);
  return [...wanted].sort();
}
