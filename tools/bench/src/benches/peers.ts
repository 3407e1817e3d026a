import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench, BenchContext } from '../bench.ts';
import { BenchError } from '../errors.ts';
import { runAll } from '../process.ts';
import { nxCommand } from '../workspace-command.ts';
import { PRUNE } from './images.ts';
import { nxReleaseCommand, verifiedSidecar } from './released.ts';

const PEERS = join(import.meta.dirname, '../../peers');
const BOTH = ['linux/amd64', 'linux/arm64'] as const;

interface Peer {
  readonly platforms: readonly string[];
  /** The task in the peers' workspace that builds the image. */
  readonly task: string;
  /** Images it leaves in the engine. */
  readonly images: readonly string[];
}

/** `docker-release` against another plugin's executor, both run by Nx, on the same Dockerfile.release and files. */
function peerBench(
  { platforms, task, images }: Peer,
  fields: Pick<Bench, 'name' | 'title' | 'ours' | 'theirs'>,
): Bench {
  return {
    ...fields,
    unit: 'ms',
    target: { kind: 'at-most', ratio: 1 },
    async prepare(context) {
      const environment = await context.engine();
      const verified = await verifiedSidecar(context);
      const workspace = await peersWorkspace(context, verified.build.folder);
      const args = ['--builder=daemonless', `--platforms=${platforms.join(',')}`];
      const prune = { ...PRUNE, env: environment };
      const removeImages = images.map((image) => ({
        file: 'docker',
        args: ['image', 'rm', '--force', image],
        env: environment,
      }));
      return {
        ours: { run: () => runAll([nxReleaseCommand(context, verified, 'oci', args, environment)]) },
        theirs: {
          before: async () => {
            await rm(join(workspace, 'oci'), { recursive: true, force: true });
            await runAll(removeImages);
            await runAll([prune]);
          },
          run: () => runAll([nxCommand(workspace, ['run', task, '--skip-nx-cache'], environment)]),
        },
        close: async () => {
          await runAll(removeImages);
          await rm(workspace, { recursive: true, force: true });
        },
      };
    },
  };
}

/** The other Nx plugins that build images. */
export const peers: readonly Bench[] = [
  peerBench(
    { platforms: BOTH, task: 'image:container', images: [] },
    {
      name: 'peer-nx-container',
      title: 'Against @nx-tools/nx-container',
      ours: '`nx run release:docker-release --builder=daemonless`, both platforms',
      theirs: 'its executor on the same Dockerfile.release and context, both platforms, to an OCI layout',
    },
  ),
  peerBench(
    { platforms: ['linux/amd64'], task: 'image:docker:build', images: ['image:latest'] },
    {
      name: 'peer-nx-docker',
      title: 'Against @nx/docker',
      ours: '`nx run release:docker-release --builder=daemonless`, linux/amd64 only',
      theirs: 'its inferred build of the same Dockerfile.release and context, linux/amd64, to the engine',
    },
  ),
];

/**
 * Makes a separate workspace for the peers, so that their packages never mix with ours: installed from their own
 * lockfile, with the context and Dockerfile.release copied into its one project. Throws PREREQUISITE if the packages
 * can't be installed.
 */
async function peersWorkspace(context: BenchContext, binaries: string): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'bench-peers-'));
  try {
    for (const name of ['package.json', 'package-lock.json'])
      await copyFile(join(PEERS, name), join(root, name));
    context.progress('peers: npm ci');
    await runAll([{ file: 'npm', args: ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], cwd: root }]);
    await writeFile(join(root, 'nx.json'), JSON.stringify(nxJson(), null, 2));
    await writeFile(join(root, '.gitignore'), 'node_modules/\noci/\n.nx/\n');
    const project = join(root, 'image');
    await mkdir(project);
    await cp(binaries, project, { recursive: true });
    await copyFile(join(context.workspaceRoot, 'Dockerfile.release'), join(project, 'Dockerfile'));
    await writeFile(join(project, 'project.json'), JSON.stringify(projectJson(), null, 2));
    return root;
  } catch (cause) {
    await rm(root, { recursive: true, force: true });
    throw new BenchError('PREREQUISITE', `the peers: ${cause instanceof Error ? cause.message : cause}`, {
      hint: 'They are installed from the npm registry, once per benchmark.',
      cause,
    });
  }
}

function nxJson() {
  const args = ['--platform=linux/amd64', '--provenance=false'];
  return {
    analytics: false,
    neverConnectToCloud: true,
    plugins: [{ plugin: '@nx/docker', options: { buildTarget: { name: 'docker:build', args } } }],
  };
}

function projectJson() {
  return {
    name: 'image',
    targets: {
      container: {
        executor: '@nx-tools/nx-container:build',
        options: {
          engine: 'docker',
          context: 'image',
          file: 'image/Dockerfile',
          platforms: BOTH,
          provenance: 'false',
          outputs: ['type=oci,tar=false,dest=oci'],
        },
      },
    },
  };
}
