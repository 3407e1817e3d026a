import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { BenchContext } from '../bench.ts';
import { executorCommand } from '../executor-command.ts';
import { type Command, runAll, withEnvironment } from '../process.ts';
import { nxCommand } from '../workspace-command.ts';
import { type Build, buildSidecar, verifySidecar } from './binaries.ts';

/** Verified executables, ready for docker-release. */
export interface Verified {
  readonly build: Build;
  /** Options for docker-release: where to read them, relative to the workspace. */
  readonly options: { readonly inputPath: string; readonly verifyPath: string };
}

/** Builds and verifies the sidecar in the scratch folder, under `name`. Throws PREREQUISITE if that fails. */
export async function verifiedSidecar(
  context: BenchContext,
  { name = 'bin', version }: { readonly name?: string; readonly version?: string } = {},
): Promise<Verified> {
  const build = await buildSidecar(context, { name, ...(version === undefined ? {} : { version }) });
  const verifyPath = await verifySidecar(context, build, `${name}-verify`);
  return { build, options: { inputPath: relative(context.workspaceRoot, build.folder), verifyPath } };
}

/** `docker-release` in a Node process, without Nx. Writes the image to a folder inside the scratch folder. */
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

/** `nx run release:docker-release` on an existing build, as a maintainer runs it, but never from the cache. */
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

/** A base image in the engine's registry, for both platforms of the sidecar. */
export interface PushedBase {
  /** The sidecar's Dockerfile based on it, relative to the workspace. */
  readonly dockerfile: string;
  /** Removes all fetched bases, so that the next build has to fetch this one. */
  forget(): Promise<void>;
}

/** Pushes a base about the size of Alpine, made of TypeScript's own files, and writes a Dockerfile based on it. */
export async function pushBase(
  context: BenchContext,
  environment: Readonly<Record<'REGISTRY', string>>,
): Promise<PushedBase> {
  const folder = join(context.scratch, 'base');
  await mkdir(folder);
  const write = (name: string, lines: readonly string[]) =>
    writeFile(join(folder, name), `${lines.join('\n')}\n`);
  await write('Dockerfile', ['FROM scratch', 'COPY lib/ /usr/share/typescript/lib/', 'ENV LANG=C.UTF-8']);
  const metadata = join(folder, 'metadata.json');
  const name = `${environment.REGISTRY}/bench/base-${process.pid}`;
  const run = (args: readonly string[]) => runAll([withEnvironment({ file: 'docker', args }, environment)]);
  await run([
    'buildx',
    'build',
    '--platform=linux/amd64,linux/arm64',
    '--provenance=false',
    `--file=${join(folder, 'Dockerfile')}`,
    `--metadata-file=${metadata}`,
    `--output=type=image,name=${name}:1,push=true,oci-mediatypes=true`,
    join(context.workspaceRoot, 'node_modules/@typescript/old'),
  ]);
  // Otherwise the engine would already have it and not fetch it.
  await run(['image', 'rm', '--force', `${name}:1`]);
  const { 'containerimage.digest': digest } = JSON.parse(await readFile(metadata, 'utf8'));
  const own = (await readFile(join(context.workspaceRoot, 'Dockerfile.release'), 'utf8')).split('\n');
  await write(
    'Dockerfile.release',
    own.map((line) => (line === 'FROM scratch' ? `FROM ${name}@${digest}` : line)),
  );
  return {
    dockerfile: relative(context.workspaceRoot, join(folder, 'Dockerfile.release')),
    forget: () => rm(join(context.workspaceRoot, '.cache/prebuilt/images'), { recursive: true, force: true }),
  };
}
