import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { engineEnvironment } from '@prebuilt/engine';
import type { Bench, BenchContext, Sample } from '../bench.ts';
import { BenchError } from '../errors.ts';
import { executorCommand } from '../executor-command.ts';
import { type Command, runAll, runInTurn } from '../process.ts';
import { buildSidecar, verifySidecar } from './binaries.ts';

type Compression = 'gzip' | 'zstd';

interface ImageChoice {
  readonly builder: 'buildx' | 'daemonless';
  readonly compression: Compression;
  /** What of the image is measured: how long it takes to build, or how many bytes it has. */
  readonly measure: 'time' | 'size';
}

/** `docker-release` against the bare `docker buildx build` of the same files, whose layers are not in its cache. */
function imageBench(
  { builder, compression, measure }: ImageChoice,
  fields: Pick<Bench, 'name' | 'title' | 'target'>,
): Bench {
  return {
    ...fields,
    ours: `docker-release --builder=${builder} --compression=${compression}`,
    theirs: `docker buildx build to an OCI layout, ${compression}, both platforms`,
    unit: measure === 'time' ? 'ms' : 'bytes',
    async prepare(context) {
      const engine = await requireRunningEngine();
      const build = await buildSidecar(context);
      const verifyPath = await verifySidecar(context, build);
      const [own, bare] = [join(context.scratch, 'oci'), join(context.scratch, 'bare')];
      const options = {
        builder,
        compression,
        inputPath: relative(context.workspaceRoot, build.folder),
        verifyPath,
        outputPath: relative(context.workspaceRoot, own),
      };
      const release = executorCommand('docker-release', options, context.workspaceRoot);
      const buildx = bareBuildx(context, build.folder, bare, compression);
      const prune = { file: 'docker', args: ['buildx', 'prune', '--all', '--force'], env: engine };
      const side = (command: Command, folder: string) => ({
        before: async () => {
          await rm(folder, { recursive: true, force: true });
          await runAll([prune]);
        },
        run: async (): Promise<Sample> => {
          const sample = await runAll([{ ...command, env: engine }]);
          return measure === 'time' ? sample : { ...sample, value: await blobBytes(folder) };
        },
      });
      return { ours: side(release, own), theirs: side(buildx, bare) };
    },
  };
}

/** Image benchmarks against buildx, in the order they are shown. */
export const images: readonly Bench[] = [
  imageBench(
    { builder: 'buildx', compression: 'gzip', measure: 'time' },
    { name: 'image-buildx', title: 'Image, buildx', target: { kind: 'at-most', ratio: 1.15 } },
  ),
  imageBench(
    { builder: 'daemonless', compression: 'gzip', measure: 'time' },
    { name: 'image-gzip', title: 'Image, daemonless, gzip', target: { kind: 'at-most', ratio: 0.4 } },
  ),
  imageBench(
    { builder: 'daemonless', compression: 'gzip', measure: 'size' },
    {
      name: 'image-gzip-size',
      title: 'Image size, daemonless, gzip',
      target: { kind: 'at-most', ratio: 1.03 },
    },
  ),
  imageBench(
    { builder: 'daemonless', compression: 'zstd', measure: 'time' },
    { name: 'image-zstd', title: 'Image, daemonless, zstd', target: { kind: 'at-most', ratio: 0.5 } },
  ),
];

async function requireRunningEngine(): Promise<Readonly<Record<string, string>>> {
  const engine = await engineEnvironment();
  if (!engine.available) {
    throw new BenchError('PREREQUISITE', `a Docker engine with buildx: ${engine.reason}`, {
      hint: 'As root: npm run engine -- up',
    });
  }
  return { ...engine.environment };
}

function bareBuildx(context: BenchContext, input: string, output: string, compression: Compression): Command {
  return {
    file: 'docker',
    args: [
      'buildx',
      'build',
      '--platform=linux/amd64,linux/arm64',
      '--provenance=false',
      `--file=${join(context.workspaceRoot, 'Dockerfile.release')}`,
      `--output=type=oci,tar=false,compression=${compression},force-compression=true,dest=${output}`,
      input,
    ],
  };
}

async function blobBytes(layout: string): Promise<number> {
  const folder = join(layout, 'blobs/sha256');
  const sizes = await Promise.all(
    (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Daemonless against the least that has to be done: each platform's bytes compressed and hashed by bare tools. */
export const imageFloor: Bench = {
  name: 'image-floor',
  title: 'Image, floor',
  ours: 'docker-release --builder=daemonless --compression=gzip',
  theirs:
    '`gzip -4`, the same level, of each platform’s files in parallel, beside `sha256sum` of them, then of what came out',
  unit: 'ms',
  target: { kind: 'at-most', ratio: 1.3 },
  async prepare(context) {
    const build = await buildSidecar(context);
    const verifyPath = await verifySidecar(context, build);
    const options = {
      builder: 'daemonless',
      compression: 'gzip',
      inputPath: relative(context.workspaceRoot, build.folder),
      verifyPath,
      outputPath: relative(context.workspaceRoot, join(context.scratch, 'oci')),
    };
    const floor = join(context.scratch, 'floor');
    await mkdir(floor);
    const archives = build.platforms.map(({ platform }) =>
      join(floor, `${platform.replaceAll('/', '-')}.tar`),
    );
    await runAll(
      build.platforms.map(({ file, runtime }, index) => ({
        file: 'tar',
        args: ['--create', `--file=${archives[index]}`, '--absolute-names', file, runtime],
      })),
    );
    return {
      ours: { run: () => runAll([executorCommand('docker-release', options, context.workspaceRoot)]) },
      theirs: {
        run: async () => {
          const samples = await Promise.all([
            runAll(archives.map((archive) => ({ file: 'sha256sum', args: [archive] }))),
            ...archives.map((archive) =>
              runInTurn([
                { file: 'gzip', args: ['-4', '--keep', '--force', archive] },
                { file: 'sha256sum', args: [`${archive}.gz`] },
              ]),
            ),
          ]);
          return { peakBytes: samples.reduce((sum, { peakBytes = 0 }) => sum + peakBytes, 0) };
        },
      },
    };
  },
};
