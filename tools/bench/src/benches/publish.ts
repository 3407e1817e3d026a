import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Bench, BenchContext } from '../bench.ts';
import { executorCommand } from '../executor-command.ts';
import { type Command, requireProgram, runAll, runInTurn, withEnvironment } from '../process.ts';
import { pushBase, releaseCommand, type Verified, verifiedSidecar } from './released.ts';

/** The image of one version, ready to publish. */
interface ReleasedImage {
  readonly verified: Verified;
  readonly version: string;
  readonly folder: string;
  readonly dockerfile: string;
}

async function releasedImage(
  context: BenchContext,
  version: string,
  dockerfile = 'Dockerfile.release',
): Promise<ReleasedImage> {
  const verified = await verifiedSidecar(context, { name: `bin-${version}`, version });
  const folder = join(context.scratch, `oci-${version}`);
  await runAll([releaseCommand(context, verified, `oci-${version}`, { builder: 'daemonless', dockerfile })]);
  return { verified, version, folder, dockerfile };
}

function publishCommand(
  context: BenchContext,
  { verified, version, folder, dockerfile }: ReleasedImage,
  image: string,
): Command {
  const inside = (path: string) => relative(context.workspaceRoot, path);
  const options = {
    image,
    dockerfile,
    binPath: verified.options.inputPath,
    verifyPath: verified.options.verifyPath,
    inputPath: inside(folder),
    sbomPath: inside(join(context.scratch, 'sbom')),
    outputPath: inside(join(context.scratch, 'publish')),
    // Finding the highest version takes git, and does not change what is sent.
    tagLatest: 'never',
    // Earlier benchmarks have recorded their results in this workspace.
    allowUncommitted: true,
  };
  const command = executorCommand('docker-publish', options, context.workspaceRoot);
  return withEnvironment(command, { RELEASE_VERSION: version });
}

let repositories = 0;
/** A repository that nothing was pushed to yet, so that the registry has to store every layer again. */
function newRepository(registry: string): string {
  repositories += 1;
  return `${registry}/bench/${process.pid}-${repositories}`;
}

/** The first publish of a version, read back and compared, against a bare copy or against one that is verified too. */
function publishBench(
  proven: boolean,
  fields: Pick<Bench, 'name' | 'title' | 'theirs' | 'target' | 'remark'>,
): Bench {
  return {
    ...fields,
    ours: 'the docker-publish executor in a Node process: uploaded, every platform read back and compared, tagged',
    unit: 'ms',
    async prepare(context) {
      await requireProgram('skopeo', ['--version']);
      const { REGISTRY: registry } = await context.engine();
      const image = await releasedImage(context, '1.2.3');
      const home = join(context.scratch, 'skopeo');
      // Its record of earlier pushes would let it skip layers; as root, it can only be moved by posing as a user.
      const env = { HOME: home, XDG_DATA_HOME: home, _CONTAINERS_ROOTLESS_UID: '65534' };
      const copy = (...args: readonly string[]) => ({
        file: 'skopeo',
        args: ['copy', '--all', '--quiet', '--preserve-digests', ...args],
        env,
      });
      const back = join(context.scratch, 'back');
      const layers = [...(await layersOf(image.folder)).keys()];
      const unpacked = layers.map((_, index) => join(context.scratch, `unpacked-${index}`));
      for (const folder of unpacked) await mkdir(folder);
      const unpack = layers.map((digest, index) => ({
        file: 'tar',
        args: [
          '--extract',
          '--gzip',
          `--file=${join(back, digest.slice(7))}`,
          `--directory=${unpacked[index]}`,
        ],
      }));
      const steps = (name: string) => {
        const up = copy('--dest-tls-verify=false', `oci:${image.folder}`, `docker://${name}`);
        if (!proven) return [[up]];
        return [[up], [copy('--src-tls-verify=false', `docker://${name}`, `dir:${back}`)], unpack];
      };
      return {
        ours: { run: () => runAll([publishCommand(context, image, newRepository(registry))]) },
        theirs: {
          before: async () => {
            for (const folder of [home, back]) await rm(folder, { recursive: true, force: true });
          },
          run: () => runInTurn(steps(`${newRepository(registry)}:1.2.3`)),
        },
      };
    },
  };
}

/** A bare copy verifies nothing; a copy that is fetched again and unpacked could at least be checked. */
export const publishes: readonly Bench[] = [
  publishBench(false, {
    name: 'publish-first',
    title: 'Publish, first',
    theirs: '`skopeo copy --all` of the same layout to the same registry',
    target: { kind: 'at-most', ratio: 1.3 },
    remark:
      'What limits it: a bare copy reads nothing back. By thread, a publish takes 1.75 s of CPU time (skopeo 0.39 s; the registry 0.40 s for either): decompressing both platforms 0.54 s; SHA-256 of the layout, of the unpacked layers, of their files and of what is read back 0.40 s; CRC-32 0.05 s; starting Node, loading modules and reading facts 0.19 s; starting a thread 0.09 s; sending and receiving 0.19 s; V8’s own threads 0.20 s; everything else 0.09 s. Spread evenly over two cores, after a start that uses only one, all of it and the registry’s share would take an estimated 1.2 s; the start, decompressing, SHA-256, sending and the registry alone would take 0.9 s. For a comparison with a copy that is fetched again and unpacked, see the next benchmark.',
  }),
  publishBench(true, {
    name: 'publish-proven',
    title: 'Publish, first, against a copy that is fetched again',
    theirs:
      '`skopeo copy --all` to the registry, `skopeo copy --all` back, then `tar --extract --gzip` of all layers in parallel',
    target: { kind: 'at-most', ratio: 0.6 },
  }),
];

/** The bytes sent for a version in which only the program changed. */
function publishChangedBench(based: boolean, fields: Pick<Bench, 'name' | 'title'>): Bench {
  return {
    ...fields,
    ours: 'bytes that docker-publish sent, manifests and configs included',
    theirs: 'bytes of the layers that the previous version does not have',
    unit: 'bytes',
    target: { kind: 'at-most', ratio: 1.01 },
    async prepare(context) {
      const environment = await context.engine();
      const dockerfile = based ? (await pushBase(context, environment)).dockerfile : undefined;
      const [first, second] = [
        await releasedImage(context, '1.2.3', dockerfile),
        await releasedImage(context, '1.2.4', dockerfile),
      ];
      const before = await layersOf(first.folder);
      const changed = [...(await layersOf(second.folder))].filter(([digest]) => !before.has(digest));
      const bytes = changed.reduce((sum, [, size]) => sum + size, 0);
      let repository = '';
      return {
        ours: {
          before: async () => {
            repository = newRepository(environment.REGISTRY);
            await runAll([publishCommand(context, first, repository)]);
          },
          run: async () => {
            const sample = await runAll([publishCommand(context, second, repository)]);
            const record = await readFile(join(context.scratch, 'publish/record.json'), 'utf8');
            return { ...sample, value: Number(JSON.parse(record).images[0].bytesSent) };
          },
        },
        theirs: { run: async () => ({ value: bytes }) },
      };
    },
  };
}

/** Publishing the second version of a program, from scratch and on a base. */
export const publishesChanged: readonly Bench[] = [
  publishChangedBench(false, { name: 'publish-changed', title: 'Publish, only the app changed' }),
  publishChangedBench(true, {
    name: 'publish-changed-base',
    title: 'Publish, only the app changed, on a base',
  }),
];

/** The layers of all platforms of a layout, with their sizes. */
async function layersOf(layout: string): Promise<ReadonlyMap<string, number>> {
  const blob = async (digest: string) =>
    JSON.parse(await readFile(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'));
  const root = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
  const index = await blob(root.manifests[0].digest);
  const manifests = await Promise.all(index.manifests.map((each: { digest: string }) => blob(each.digest)));
  return new Map(
    manifests.flatMap(({ layers }: { layers: readonly { digest: string; size: number }[] }) =>
      layers.map(({ digest, size }) => [digest, size] as const),
    ),
  );
}
