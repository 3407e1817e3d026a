import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Bench, BenchContext } from '../bench.ts';
import { executorCommand } from '../executor-command.ts';
import { type Command, requireProgram, runAll, runInTurn, withEnvironment } from '../process.ts';
import { pushBase, releaseCommand, type Verified, verifiedSidecar } from './released.ts';

/** An image of one version, ready to be published. */
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
    // Which version is the highest is for git to know; it does not change what is sent.
    tagLatest: 'never',
  };
  const command = executorCommand('docker-publish', options, context.workspaceRoot);
  return withEnvironment(command, { RELEASE_VERSION: version });
}

let repositories = 0;
/** A repository that nothing was pushed to: the registry is asked to store every layer again. */
function newRepository(registry: string): string {
  repositories += 1;
  return `${registry}/bench/${process.pid}-${repositories}`;
}

/** The first publish of a version, read back and compared, against a copy: a bare one, or one that is proven too. */
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
      // What it remembers of earlier pushes would let it skip layers; root's memory can only be moved as a user's.
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

/** A bare copy proves nothing; one that is fetched again and unpacked at least could be looked at. */
export const publishes: readonly Bench[] = [
  publishBench(false, {
    name: 'publish-first',
    title: 'Publish, first',
    theirs: '`skopeo copy --all` of the same layout to the same registry',
    target: { kind: 'at-most', ratio: 1.3 },
    remark:
      'The limit: a bare copy reads nothing back. Of the 3.5 s of processor time that a publish took on a busy machine of two cores (skopeo: 0.7 s, the registry’s own not counted), decompressing both platforms took 0.65 s, SHA-256 of what is sent, unpacked, its files and what comes back 0.53 s, Node’s start, its modules and facts 0.8 s, a thread’s start 0.15 s; the rest is copying between kernel, parser and buffers. With nothing but the first three, side by side on both cores, it would by reckoning still take about 1.5 times a bare copy. Against a copy that is fetched again and unpacked, see the next.',
  }),
  publishBench(true, {
    name: 'publish-proven',
    title: 'Publish, first, against a copy that is fetched again',
    theirs:
      '`skopeo copy --all` to the registry, `skopeo copy --all` back, then `tar --extract --gzip` of all layers in parallel',
    target: { kind: 'at-most', ratio: 0.6 },
  }),
];

/** What is sent of a version where only the program differs from the one before. */
function publishChangedBench(based: boolean, fields: Pick<Bench, 'name' | 'title'>): Bench {
  return {
    ...fields,
    ours: 'bytes that docker-publish sent, manifests and configs included',
    theirs: 'bytes of the layers that the version before does not have',
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

/** The second version of a program, from scratch and upon a base. */
export const publishesChanged: readonly Bench[] = [
  publishChangedBench(false, { name: 'publish-changed', title: 'Publish, only the app changed' }),
  publishChangedBench(true, {
    name: 'publish-changed-base',
    title: 'Publish, only the app changed, upon a base',
  }),
];

/** The layers of every platform of a layout, with their sizes. */
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
