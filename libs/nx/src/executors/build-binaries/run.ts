import { chmod, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ElfFacts } from '@prebuilt/elf';
import { CHECKSUMS_FILE, formatChecksums } from '../../artifacts/checksums.ts';
import {
  type ExecutableFacts,
  formatManifest,
  MANIFEST_FILE,
  type Manifest,
  type PlatformArtifact,
} from '../../artifacts/manifest.ts';
import { sha256OfFile } from '../../files/hash.ts';
import { replaceFolder } from '../../files/output-folder.ts';
import { collectListed } from '../../image/listed/collect.ts';
import { type ArchiveOptions, fetchArchives } from '../../lock/debian-package.ts';
import { CACHE_FOLDER } from '../../lock/lock.ts';
import { settleAll } from '../../process/settle-all.ts';
import { collectRuntime } from '../../sysroot/collect-runtime.ts';
import { openSysroot } from '../../sysroot/sysroot.ts';
import { checkElf } from '../../toolchains/elf-check.ts';
import { type Component, configureToolchain } from '../../toolchains/index.ts';
import type { PreparedToolchain } from '../../toolchains/toolchain.ts';
import type { BuildPlan, PlatformPlan } from './plan.ts';

interface BuiltPlatform {
  readonly artifact: Omit<PlatformArtifact, 'components'>;
  readonly components: readonly Component[];
}

/** The files that this target writes. A folder that contains anything else is left alone. */
const OWN_FILES = /^(?:manifest\.json|checksums\.txt|files|.+-linux-[a-z0-9]+)$/;

/**
 * Compiles all platforms in parallel and renames the finished folder into place: a failed or interrupted build keeps
 * the previous one. Everything from outside is checked against the plan's lock before it is used.
 */
export async function runBuild(
  plan: BuildPlan,
  workspaceRoot: string,
  progress: (line: string) => void,
): Promise<Manifest> {
  const cacheFolder = join(workspaceRoot, CACHE_FOLDER);
  return replaceFolder(plan.outputPath, OWN_FILES, async (folder, signal) => {
    const toolchain = await configureToolchain(plan.toolchain).prepare({
      workspaceRoot,
      name: plan.name,
      cacheFolder,
      platforms: plan.platforms.map(({ platform }) => platform),
      lock: plan.lock,
      signal,
      progress,
    });
    const archives = { fetch: fetchArchives(plan.lock.distribution ?? 'debian', { signal }), progress };
    const built = await settleAll(
      plan.platforms.map((platform) =>
        buildPlatform(plan, platform, toolchain, { folder, cacheFolder, archives, progress }),
      ),
    );
    const files = await collectListed(plan.files, folder, cacheFolder, archives);
    const shared = sharedComponents(built.map(({ components }) => components));
    const manifest: Manifest = {
      schemaVersion: 2,
      name: plan.name,
      version: plan.version,
      revision: plan.revision,
      sourceDateEpoch: plan.sourceDateEpoch,
      toolchain: { name: plan.toolchain.name, version: toolchain.version },
      components: [...shared.values()],
      ...(files.length > 0 && { files }),
      platforms: built.map(({ artifact, components }) => ({
        ...artifact,
        components: components.filter(({ purl }) => !shared.has(purl)),
      })),
    };
    await writeFile(join(folder, CHECKSUMS_FILE), formatChecksums(manifest));
    await writeFile(join(folder, MANIFEST_FILE), formatManifest(manifest));
    return manifest;
  });
}

async function buildPlatform(
  plan: BuildPlan,
  { platform, executable, others, runtimeFolder, sysroot }: PlatformPlan,
  toolchain: PreparedToolchain,
  {
    folder,
    cacheFolder,
    archives,
    progress,
  }: {
    readonly folder: string;
    readonly cacheFolder: string;
    readonly archives: ArchiveOptions;
    readonly progress: (line: string) => void;
  },
): Promise<BuiltPlatform> {
  const path = join(folder, executable);
  const started = performance.now();
  const components = await toolchain.compile({
    platform,
    name: plan.name,
    outfile: path,
    others: others.map((each) => ({ name: each.name, outfile: join(folder, each.executable) })),
    version: plan.version,
    revision: plan.revision,
    sourceDateEpoch: plan.sourceDateEpoch,
  });
  const paths = [executable, ...others.map((each) => each.executable)];
  for (const each of paths) await chmod(join(folder, each), 0o755);
  const hint = `Check the compiler that the toolchain ${plan.toolchain.name} uses for this platform.`;
  const elves = await Promise.all(
    paths.map((each) => checkElf(join(folder, each), each, platform, { hint })),
  );
  const [files, ...facts] = await settleAll([
    collectRuntime(
      elves,
      platform,
      () => openSysroot(sysroot, platform, cacheFolder, archives),
      join(folder, runtimeFolder),
    ),
    ...elves.map((elf, index) => describeExecutable(folder, paths[index] ?? '', elf)),
  ]);
  const [main, ...beside] = facts as [ExecutableFacts, ...ExecutableFacts[]];
  const bytes = facts.reduce((sum, { size }) => sum + size, 0);
  progress(`${platform}: built in ${((performance.now() - started) / 1000).toFixed(1)} s, ${bytes} bytes`);
  return {
    components,
    artifact: {
      platform,
      ...main,
      ...(others.length > 0 && {
        others: beside.map((each, index) => ({ name: others[index]?.name ?? '', ...each })),
      }),
      runtime: { path: runtimeFolder, files: [...files] },
    },
  };
}

async function describeExecutable(folder: string, path: string, elf: ElfFacts): Promise<ExecutableFacts> {
  const [sha256, { size }] = await Promise.all([sha256OfFile(join(folder, path)), stat(join(folder, path))]);
  const versionNeeds = Object.fromEntries(
    Object.entries(elf.versionNeeds).map(([library, versions]) => [library, [...versions]]),
  );
  const { type, machine, interpreter, needed } = elf;
  return { path, size, sha256, elf: { type, machine, interpreter, needed: [...needed], versionNeeds } };
}

// The components in every platform's executable, by package URL, sorted.
function sharedComponents(lists: readonly (readonly Component[])[]): ReadonlyMap<string, Component> {
  const [first = [], ...others] = lists;
  const everywhere = first.filter(({ purl }) =>
    others.every((list) => list.some((each) => each.purl === purl)),
  );
  return new Map(everywhere.map((each) => [each.purl, each] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
}
