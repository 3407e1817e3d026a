import { join, relative } from 'node:path';
import type { BenchContext } from '../bench.ts';
import { executorCommand } from '../executor-command.ts';
import type { Command } from '../process.ts';
import { nxCommand } from '../workspace-command.ts';
import { type Build, buildSidecar, verifySidecar } from './binaries.ts';

/** Verified executables, ready for docker-release. */
export interface Verified {
  readonly build: Build;
  /** Where to read them, relative to the workspace, as docker-release takes it. */
  readonly options: { readonly inputPath: string; readonly verifyPath: string };
}

/** Builds and verifies the sidecar in the scratch folder, under `name`. Throws PREREQUISITE where that can't be done. */
export async function verifiedSidecar(
  context: BenchContext,
  { name = 'bin', version }: { readonly name?: string; readonly version?: string } = {},
): Promise<Verified> {
  const build = await buildSidecar(context, { name, ...(version === undefined ? {} : { version }) });
  const verifyPath = await verifySidecar(context, build, `${name}-verify`);
  return { build, options: { inputPath: relative(context.workspaceRoot, build.folder), verifyPath } };
}

/** `docker-release` in a Node process, without Nx: writes the image to a folder of the scratch folder. */
export function releaseCommand(
  context: BenchContext,
  verified: Verified,
  output: string,
  options: Readonly<Record<string, unknown>>,
): Command {
  const outputPath = relative(context.workspaceRoot, join(context.scratch, output));
  return executorCommand(
    'docker-release',
    { ...verified.options, outputPath, ...options },
    context.workspaceRoot,
  );
}

/** `nx run release:docker-release` on what is already built, as a maintainer runs it; never from the cache. */
export function nxReleaseCommand(
  context: BenchContext,
  verified: Verified,
  output: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Command {
  return nxCommand(
    context.workspaceRoot,
    [
      'run',
      'release:docker-release',
      '--exclude-task-dependencies',
      '--skip-nx-cache',
      `--inputPath=${verified.options.inputPath}`,
      `--verifyPath=${verified.options.verifyPath}`,
      `--outputPath=${relative(context.workspaceRoot, join(context.scratch, output))}`,
      ...args,
    ],
    env,
  );
}
