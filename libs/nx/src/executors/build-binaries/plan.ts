import { resolve } from 'node:path';
import { executableName, runtimeFolderName } from '../../artifacts/manifest.ts';
import { type Platform, parsePlatforms } from '../../artifacts/platform.ts';
import { outputInWorkspace } from '../../files/workspace-path.ts';
import { type VersionFacts, versionFromFacts } from '../../version/build-version.ts';
import type { ReleaseVersion } from '../../version/version.ts';
import type { BuildBinariesOptions } from './options.ts';

/** One platform of a build: the names inside the output folder. */
export interface PlatformPlan {
  readonly platform: Platform;
  readonly executable: string;
  readonly runtimeFolder: string;
}

/** What a build will do. Paths are absolute. */
export interface BuildPlan {
  readonly name: string;
  readonly version: ReleaseVersion;
  /** The commit of a release; null for a development build, which is to be the same for every commit. */
  readonly revision: string | null;
  /** Seconds since 1970. */
  readonly sourceDateEpoch: number;
  readonly toolchain: string;
  readonly entry: string;
  readonly outputPath: string;
  readonly sysroot: string;
  readonly platforms: readonly PlatformPlan[];
}

/**
 * Plans a build from its options and the version's facts. Throws for a version, a platform or a path that can't
 * be used, before any work.
 */
export function planBuild(
  options: BuildBinariesOptions,
  workspaceRoot: string,
  facts: VersionFacts,
): BuildPlan {
  const { version, revision, sourceDateEpoch } = versionFromFacts(facts);
  const platforms = [...parsePlatforms(options.platforms)].sort();
  return {
    name: options.name,
    version,
    revision,
    sourceDateEpoch,
    toolchain: options.toolchain,
    entry: resolve(workspaceRoot, options.entry),
    outputPath: outputInWorkspace(workspaceRoot, options.outputPath),
    sysroot: resolve(workspaceRoot, options.sysroot),
    platforms: platforms.map((platform) => ({
      platform,
      executable: executableName(options.name, platform),
      runtimeFolder: runtimeFolderName(platform),
    })),
  };
}
