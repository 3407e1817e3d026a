import { access, chmod, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openElf } from '@prebuilt/elf';
import { CHECKSUMS_FILE, formatChecksums } from '../../artifacts/checksums.ts';
import {
  formatManifest,
  MANIFEST_FILE,
  type Manifest,
  type PlatformArtifact,
} from '../../artifacts/manifest.ts';
import { PrebuiltError } from '../../errors.ts';
import { sha256OfFile } from '../../files/hash.ts';
import { replaceFolder } from '../../files/output-folder.ts';
import { settleAll } from '../../process/settle-all.ts';
import { collectRuntime } from '../../sysroot/collect-runtime.ts';
import { findToolchain } from '../../toolchains/index.ts';
import type { BundledPackage, PreparedToolchain } from '../../toolchains/toolchain.ts';
import type { BuildPlan, PlatformPlan } from './plan.ts';

/** Where a build keeps what it fetches, relative to the workspace's root. */
const CACHE_FOLDER = '.cache/toolchains';

/**
 * Compiles all platforms side by side and puts the finished folder in place by rename: a failed or interrupted
 * build leaves the former one.
 */
export async function runBuild(
  plan: BuildPlan,
  workspaceRoot: string,
  progress: (line: string) => void,
): Promise<Manifest> {
  await access(plan.entry).catch((cause) => {
    throw new PrebuiltError('INVALID_OPTIONS', `entry: expected a file, found none at ${plan.entry}`, {
      cause,
    });
  });
  return replaceFolder(plan.outputPath, async (folder, signal) => {
    const toolchain = await findToolchain(plan.toolchain).prepare({
      workspaceRoot,
      cacheFolder: join(workspaceRoot, CACHE_FOLDER),
      platforms: plan.platforms.map(({ platform }) => platform),
      signal,
      progress,
    });
    const built = await settleAll(
      plan.platforms.map((platform) => buildPlatform(plan, platform, toolchain, folder, progress)),
    );
    const manifest: Manifest = {
      schemaVersion: 1,
      name: plan.name,
      version: plan.version,
      revision: plan.revision,
      sourceDateEpoch: plan.sourceDateEpoch,
      toolchain: { name: plan.toolchain, version: toolchain.version },
      bundledPackages: mergePackages(built.map(({ bundled }) => bundled)),
      platforms: built.map(({ artifact }) => artifact),
    };
    await writeFile(join(folder, CHECKSUMS_FILE), formatChecksums(manifest));
    await writeFile(join(folder, MANIFEST_FILE), formatManifest(manifest));
    return manifest;
  });
}

async function buildPlatform(
  plan: BuildPlan,
  { platform, executable, runtimeFolder }: PlatformPlan,
  toolchain: PreparedToolchain,
  folder: string,
  progress: (line: string) => void,
): Promise<{ readonly artifact: PlatformArtifact; readonly bundled: readonly BundledPackage[] }> {
  const path = join(folder, executable);
  const started = performance.now();
  const bundled = await toolchain.compile({
    platform,
    entry: plan.entry,
    outfile: path,
    version: plan.version,
    sourceDateEpoch: plan.sourceDateEpoch,
  });
  await chmod(path, 0o755);
  const elf = await openElf(path);
  const [files, sha256, { size }] = await Promise.all([
    collectRuntime(elf, platform, plan.sysroot, join(folder, runtimeFolder)),
    sha256OfFile(path),
    stat(path),
  ]);
  progress(`${platform}: compiled in ${((performance.now() - started) / 1000).toFixed(1)} s, ${size} bytes`);
  return {
    bundled,
    artifact: {
      platform,
      path: executable,
      size,
      sha256,
      elf: {
        type: elf.type,
        machine: elf.machine,
        interpreter: elf.interpreter,
        needed: [...elf.needed],
        versionNeeds: Object.fromEntries(
          Object.entries(elf.versionNeeds).map(([library, versions]) => [library, [...versions]]),
        ),
      },
      runtime: { path: runtimeFolder, files: [...files] },
      toolchainRuntime: toolchain.runtimeOf(platform),
    },
  };
}

function mergePackages(lists: readonly (readonly BundledPackage[])[]): BundledPackage[] {
  const unique = new Map(lists.flat().map((each) => [`${each.name}@${each.version}`, each]));
  return [...unique.keys()].sort().flatMap((key) => unique.get(key) ?? []);
}
