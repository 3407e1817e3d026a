import { executableName, runtimeFolderName } from '../../artifacts/manifest.ts';
import type { Platform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { outputInWorkspace } from '../../files/workspace-path.ts';
import { type ListedPlan, planListed } from '../../image/listed/plan.ts';
import type { Lock } from '../../lock/lock.ts';
import { planSysroot, type SysrootPlan } from '../../sysroot/plan.ts';
import { configureToolchain } from '../../toolchains/index.ts';
import { versionFromFacts } from '../../version/build-version.ts';
import type { ReleaseVersion } from '../../version/version.ts';
import { type BuildFacts, platformsOf } from './facts.ts';
import type { BuildBinariesOptions } from './options.ts';

/** One platform of a build: its names in the output folder, and where its libraries come from. */
export interface PlatformPlan {
  readonly platform: Platform;
  readonly executable: string;
  /** The program's other executables. */
  readonly others: readonly { readonly name: string; readonly executable: string }[];
  readonly runtimeFolder: string;
  readonly sysroot: SysrootPlan;
}

/** What a build will do. Paths are absolute, except in the toolchain's options. */
export interface BuildPlan {
  readonly name: string;
  readonly version: ReleaseVersion;
  /** The commit of a release; null for a development build, which must be the same for every commit. */
  readonly revision: string | null;
  /** Seconds since 1970. */
  readonly sourceDateEpoch: number;
  readonly toolchain: { readonly name: string; readonly [option: string]: unknown };
  readonly outputPath: string;
  readonly platforms: readonly PlatformPlan[];
  /** What images contain besides the executables. */
  readonly files: readonly ListedPlan[];
  readonly lock: Lock;
}

/**
 * Plans a build from its options and facts. Throws, before any work is done, for an unusable version, platform,
 * toolchain option or path.
 */
export function planBuild(
  options: BuildBinariesOptions,
  workspaceRoot: string,
  { version: versionFacts, lock, former, listed }: BuildFacts,
): BuildPlan {
  const { version, revision, sourceDateEpoch } = versionFromFacts(versionFacts);
  const toolchain = configureToolchain(options.toolchain);
  const platforms = platformsOf(options, toolchain.name);
  checkNames([options.name, ...toolchain.others]);
  checkFormer(options, former);
  return {
    name: options.name,
    version,
    revision,
    sourceDateEpoch,
    toolchain: { ...toolchain.options, name: toolchain.name },
    outputPath: outputInWorkspace(workspaceRoot, options.outputPath),
    platforms: platforms.map((platform) => ({
      platform,
      executable: executableName(options.name, platform),
      others: toolchain.others.map((name) => ({ name, executable: executableName(name, platform) })),
      runtimeFolder: runtimeFolderName(platform),
      sysroot: planSysroot(options, workspaceRoot, lock, platform),
    })),
    files: listed === undefined ? [] : planListed(listed, lock),
    lock,
  };
}

// If two programs shared an output folder, one of them would silently be lost.
function checkFormer({ name, outputPath }: BuildBinariesOptions, former: string | undefined): void {
  if (former === undefined || former === name) return;
  throw new PrebuiltError(
    'OUTPUT',
    `${outputPath}: expected no build or a build of ${name}, found a build of ${former}`,
    {
      hint: 'Give each program its own output folder ("output" in prebuilt.json); if this program was renamed, delete the folder.',
    },
  );
}

// Each name becomes a file name in the same folder.
function checkNames(names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    const problem = name === 'runtime' ? 'the name of the runtime folders' : 'the name of another executable';
    if (name === 'runtime' || names.indexOf(name) < index) {
      throw new PrebuiltError(
        'INVALID_OPTIONS',
        `executables: expected a different name for each, found ${name}, which is ${problem}`,
      );
    }
  }
}
