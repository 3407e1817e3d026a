import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, readManifest } from '../src/artifacts/manifest.ts';
import { hostPlatform } from '../src/artifacts/platform.ts';
import type { VerifyReport } from '../src/artifacts/verify-report.ts';
import { readKeyFacts } from '../src/executors/build-binaries/facts.ts';
import type { BuildBinariesOptions } from '../src/executors/build-binaries/options.ts';
import { planBuild } from '../src/executors/build-binaries/plan.ts';
import { runBuild } from '../src/executors/build-binaries/run.ts';
import { planVerify } from '../src/executors/verify/plan.ts';
import { runVerify } from '../src/executors/verify/run.ts';
import { EMPTY_LOCK } from '../src/lock/lock.ts';
import { DEFAULT_TAG_PATTERN } from '../src/version/tag-pattern.ts';

/** The parameters of a build: the toolchain, the platforms, and the source of libraries. */
export type ToolchainBuild = Pick<BuildBinariesOptions, 'toolchain'> & Partial<BuildBinariesOptions>;

const HEAD = { revision: '0123456789abcdef0123456789abcdef01234567', date: 1_700_000_000 };

/** The version of every build here. */
export const BUILT_VERSION = '1.2.3';

function optionsOf(build: ToolchainBuild): BuildBinariesOptions {
  return {
    name: 'server',
    platforms: [],
    outputPath: 'dist/bin',
    sysrootPackages: [],
    dryRun: false,
    ...build,
  };
}

/** Builds version 1.2.3 into `dist/bin` without a lock, and returns its manifest and lines of progress. */
export async function buildIn(
  root: string,
  build: ToolchainBuild,
): Promise<{ readonly manifest: Manifest; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  const facts = {
    version: {
      releaseVersion: BUILT_VERSION,
      tagsAtHead: [],
      tagPattern: DEFAULT_TAG_PATTERN,
      head: HEAD,
    },
    lock: EMPTY_LOCK,
  };
  const manifest = await runBuild(planBuild(optionsOf(build), root, facts), root, (line) => lines.push(line));
  return { manifest, lines };
}

/** Verifies the build, and runs it natively if possible. */
export async function verifyIn(root: string, smoke = [['--version']]): Promise<readonly VerifyReport[]> {
  const options = {
    inputPath: 'dist/bin',
    outputPath: 'dist/verify',
    requireExecution: false,
    printsVersion: true,
    smoke,
    emulators: 'emulators',
    timeout: 60,
    json: false,
  };
  const facts = {
    host: hostPlatform(process.platform, process.arch),
    emulators: new Map(),
    unfetched: new Set<never>(),
    related: new Set<never>(),
  };
  const manifest = await readManifest(join(root, 'dist/bin'));
  return runVerify(planVerify(options, root, manifest, facts), new AbortController().signal);
}

/** The facts in the build's cache key, besides files and options. */
export async function keyIn(root: string, build: ToolchainBuild): Promise<string> {
  const context = { root, projectName: 'server', projectsConfigurations: { version: 2, projects: {} } };
  const { files, rest } = await readKeyFacts(optionsOf(build), context as never);
  return JSON.stringify([files, await rest()]);
}

/** The build's checksums. */
export function checksumsIn(root: string): Promise<string> {
  return readFile(join(root, 'dist/bin/checksums.txt'), 'utf8');
}
