import { copyFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Bench, BenchContext, Sample } from '../bench.ts';
import { type Command, outputOf, runAll, runInTurn, withEnvironment } from '../process.ts';
import { pushBase, releaseCommand, verifiedSidecar } from './released.ts';

type Compression = 'gzip' | 'zstd';

interface ImageChoice {
  readonly compression: Compression;
  /** Whether it is built on an image from a registry. */
  readonly based?: true;
  /** What is measured: how long the image takes to build, or its size in bytes. */
  readonly measure: 'time' | 'size';
}

/** Empties buildx's cache, so that the layers are cold. */
export const PRUNE: Command = { file: 'docker', args: ['buildx', 'prune', '--all', '--force'] };

/** `docker-release` against a bare `docker buildx build` of the same files with an empty cache. */
function imageBench(
  { compression, based, measure }: ImageChoice,
  fields: Pick<Bench, 'name' | 'title' | 'target' | 'remark'>,
): Bench {
  const fetched = based ? '; the base is fetched from a registry on the same machine' : '';
  return {
    ...fields,
    ours: `docker-release --builder=daemonless --compression=${compression}${fetched}`,
    theirs: `docker buildx build to an OCI layout, ${compression}, both platforms${fetched}`,
    unit: measure === 'time' ? 'ms' : 'bytes',
    async prepare(context) {
      const environment = await context.engine();
      const verified = await verifiedSidecar(context);
      const bare = join(context.scratch, 'bare');
      const base = based && (await pushBase(context, environment));
      const { dockerfile = 'Dockerfile.release' } = base ?? {};
      const options = { builder: 'daemonless', compression, dockerfile };
      const release = releaseCommand(context, verified, 'oci', options);
      const buildx = bareBuildx(context, verified.build.folder, { output: bare, compression, dockerfile });
      const side = (command: Command, folder: string) => ({
        before: async () => {
          await rm(folder, { recursive: true, force: true });
          await base?.forget();
          await runAll([withEnvironment(PRUNE, environment)]);
        },
        run: async (): Promise<Sample> => {
          const sample = await runAll([withEnvironment(command, environment)]);
          return measure === 'time' ? sample : { ...sample, value: await blobBytes(folder) };
        },
      });
      return { ours: side(release, join(context.scratch, 'oci')), theirs: side(buildx, bare) };
    },
  };
}

/**
 * `docker-release` with buildx against the commands that it runs, in a folder with the files that they need, except that
 * here BuildKit compresses the layers too.
 */
const imageBuildx: Bench = {
  name: 'image-buildx',
  title: 'Image, buildx',
  ours: 'docker-release --builder=buildx --compression=gzip: checked, staged, built, compressed, read back and compared',
  theirs:
    'the same `docker buildx build` commands that it runs, one per platform, in parallel, but with compression=gzip',
  unit: 'ms',
  target: { kind: 'at-most', ratio: 1 },
  remark:
    'BuildKit compresses each layer twice, before and after it sets the times in it. The plugin has it leave the layers uncompressed and compresses them once, with zlib at a level whose images are at most 3 % larger.',
  async prepare(context) {
    const environment = await context.engine();
    const verified = await verifiedSidecar(context);
    const options = { builder: 'buildx', compression: 'gzip' };
    const release = releaseCommand(context, verified, 'oci', options);
    const dryRun = releaseCommand(context, verified, 'oci', { ...options, dryRun: true, json: true });
    const work = join(context.scratch, 'bare');
    const plan: BuildxPlan = JSON.parse(await outputOf(withEnvironment(dryRun, environment)));
    const commands = plan.platforms.map(({ command }) => ({
      ...command,
      args: command.args.map((arg) => arg.replace('compression=uncompressed', 'compression=gzip')),
      cwd: work,
      env: environment,
    }));
    for (const { command, context: files } of plan.platforms) {
      const folder = join(work, command.args.at(-1) ?? '');
      for (const { path, source } of files.files) {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await copyFile(source, join(folder, path));
      }
    }
    await copyFile(join(context.workspaceRoot, 'Dockerfile.release'), join(work, 'Dockerfile'));
    const before = async () => {
      for (const folder of [join(context.scratch, 'oci'), join(work, 'layout')]) {
        await rm(folder, { recursive: true, force: true });
      }
      await mkdir(join(work, 'layout'));
      await runAll([withEnvironment(PRUNE, environment)]);
    };
    return {
      ours: { before, run: () => runAll([withEnvironment(release, environment)]) },
      theirs: { before, run: () => runAll(commands) },
    };
  },
};

/** The part of a dry run's plan that the benchmark reads. */
interface BuildxPlan {
  readonly platforms: readonly {
    readonly command: { readonly file: string; readonly args: readonly string[] };
    readonly context: { readonly files: readonly { readonly path: string; readonly source: string }[] };
  }[];
}

/** Image benchmarks against buildx, in the order they are shown. */
export const images: readonly Bench[] = [
  imageBuildx,
  imageBench(
    { compression: 'gzip', measure: 'time' },
    { name: 'image-gzip', title: 'Image, daemonless, gzip', target: { kind: 'at-most', ratio: 0.4 } },
  ),
  imageBench(
    { compression: 'gzip', measure: 'size' },
    {
      name: 'image-gzip-size',
      title: 'Image size, daemonless, gzip',
      target: { kind: 'at-most', ratio: 1.03 },
    },
  ),
  imageBench(
    { compression: 'zstd', measure: 'time' },
    { name: 'image-zstd', title: 'Image, daemonless, zstd', target: { kind: 'at-most', ratio: 0.5 } },
  ),
  imageBench(
    { compression: 'gzip', based: true, measure: 'time' },
    {
      name: 'image-base',
      title: 'Image on a base, daemonless, gzip',
      target: { kind: 'at-most', ratio: 0.4 },
      remark:
        'What limits it: on two processors, zlib alone takes 1.55 s to compress both executables side by side, in 2.9 s of CPU time. Decompressing the layers again for the proof takes 0.55 s of CPU time; SHA-256 of files, layers and what was written, twice, 0.6 s; starting Node 0.25 s. Spread evenly, all of it would take an estimated 2.5 s. The next level of gzip is 12 % faster, but its image would be more than 3 % larger than that of buildx. Two other ways were measured and are no better: compressing pieces of 1 MB of each layer in parallel takes as long and 0.5 s more of CPU time; chunks of 4 MB save 5 %, for 25 MB of memory.',
    },
  ),
];

function bareBuildx(
  context: BenchContext,
  input: string,
  {
    output,
    compression,
    dockerfile,
  }: { readonly output: string; readonly compression: Compression; readonly dockerfile: string },
): Command {
  return {
    file: 'docker',
    args: [
      'buildx',
      'build',
      '--platform=linux/amd64,linux/arm64',
      '--provenance=false',
      `--file=${join(context.workspaceRoot, dockerfile)}`,
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

/** The bare tool, at the compression level that daemonless uses, and the suffix of its output. */
const BARE_TOOLS = {
  gzip: { args: ['-3', '--keep', '--force'], suffix: '.gz' },
  zstd: { args: ['-3', '-T1', '--keep', '--force', '--quiet'], suffix: '.zst' },
} as const;

/** Daemonless against the minimum: each platform's bytes compressed and hashed by bare tools. */
function imageFloor(compression: Compression): Bench {
  const tool = BARE_TOOLS[compression];
  return {
    name: `image-floor-${compression}`,
    title: `Image, floor, ${compression}`,
    ours: `docker-release --builder=daemonless --compression=${compression}`,
    theirs: `\`${compression} ${tool.args[0]}\`, the same level, of each platform’s files in parallel, together with \`sha256sum\` of them, then of the output`,
    unit: 'ms',
    target: { kind: 'at-most', ratio: 1.3 },
    async prepare(context) {
      const verified = await verifiedSidecar(context);
      const release = releaseCommand(context, verified, 'oci', { builder: 'daemonless', compression });
      const floor = join(context.scratch, 'floor');
      await mkdir(floor);
      const archives = verified.build.platforms.map(({ platform }) =>
        join(floor, `${platform.replaceAll('/', '-')}.tar`),
      );
      await runAll(
        verified.build.platforms.map(({ file, runtime }, index) => ({
          file: 'tar',
          args: ['--create', `--file=${archives[index]}`, '--absolute-names', file, runtime],
        })),
      );
      return {
        ours: { run: () => runAll([release]) },
        theirs: {
          run: async () => {
            const samples = await Promise.all([
              runAll(archives.map((archive) => ({ file: 'sha256sum', args: [archive] }))),
              ...archives.map((archive) =>
                runInTurn([
                  [{ file: compression, args: [...tool.args, archive] }],
                  [{ file: 'sha256sum', args: [`${archive}${tool.suffix}`] }],
                ]),
              ),
            ]);
            return { peakBytes: samples.reduce((sum, { peakBytes = 0 }) => sum + peakBytes, 0) };
          },
        },
      };
    },
  };
}

/** Daemonless image benchmarks against bare tools. */
export const imageFloors: readonly Bench[] = [imageFloor('gzip'), imageFloor('zstd')];
