import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '@prebuilt/testing/free-port';
import type { Bench, BenchContext } from '../bench.ts';
import { executorCommand } from '../executor-command.ts';
import type { Growth, GrowthSubject } from '../growth.ts';
import { anonymousBytes, runAll } from '../process.ts';
import { nxCommand } from '../workspace-command.ts';
import { buildSidecar, nativeExecutable } from './binaries.ts';
import { healthyMounts, startServer, stopServer, watchArguments } from './server.ts';
import { sizedRelease } from './sized-release.ts';

const PLATFORMS = [
  'linux/amd64',
  'linux/arm64',
  'linux/arm/v7',
  'linux/arm/v6',
  'linux/386',
  'linux/ppc64le',
  'linux/riscv64',
  'linux/s390x',
];
const MB = 1e6;

/** Packs executables of a given size for some platforms, daemonless. */
async function packing(
  context: BenchContext,
  platforms: readonly string[],
  bytes: number,
): Promise<GrowthSubject> {
  const executable = nativeExecutable(await buildSidecar(context));
  const release = await sizedRelease(platforms, sampled(await readFile(executable), bytes));
  const command = executorCommand('docker-release', release.options, release.root);
  return { run: () => runAll([command]), close: async () => release[Symbol.asyncDispose]() };
}

const BLOCK = 64 * 1024;
/** Larger than a compressor's window, and prime, so that blocks come from all over the source in no order. */
const STRIDE = 15_485_863;

/** Returns `bytes` bytes that compress like the source: blocks from all over it. */
function sampled(source: Buffer, bytes: number): Buffer {
  const target = Buffer.alloc(bytes);
  for (let at = 0, block = 0; at < bytes; at += BLOCK, block += 1) {
    const from = (block * STRIDE) % (source.length - BLOCK);
    source.copy(target, at, from, from + Math.min(BLOCK, bytes - at));
  }
  return target;
}

const growthPlatforms: Growth = {
  name: 'growth-platforms',
  title: 'Growth: platforms',
  description: 'docker-release --builder=daemonless, gzip, executables of 20 MB',
  axis: 'platforms',
  points: [1, 2, 4, 8],
  prepare: (context, point) => packing(context, PLATFORMS.slice(0, point), 20 * MB),
};

const growthExecutable: Growth = {
  name: 'growth-executable',
  title: 'Growth: size of the executable',
  description: 'docker-release --builder=daemonless, gzip, two platforms',
  axis: 'MB',
  points: [1, 10, 100, 500],
  prepare: (context, point) => packing(context, PLATFORMS.slice(0, 2), point * MB),
};

const growthMounts: Growth = {
  name: 'growth-mounts',
  title: 'Growth: mounts',
  description: 'the sidecar, from spawn to the first 200 on ready; its anonymous memory 3 s later',
  axis: 'mounts',
  points: [1, 10, 100, 1000],
  async prepare(context, point) {
    const executable = nativeExecutable(await buildSidecar(context));
    const paths = await healthyMounts(context.scratch, point);
    return {
      run: async () => {
        const port = await freePort();
        const args = await watchArguments(context.scratch, paths, { httpPort: port });
        const spawned = performance.now();
        const server = await startServer(executable, args, `http://127.0.0.1:${port}/healthz/ready`);
        const value = performance.now() - spawned;
        try {
          await wait(3000);
          return { value, peakBytes: anonymousBytes(server.pid) };
        } finally {
          await stopServer(server);
        }
      },
    };
  },
};

/** Makes a workspace with `count` small programs, with or without the plugin. */
async function manyProjects(
  context: BenchContext,
  count: number,
  plugins: readonly string[],
): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'bench-projects-'));
  const json = (name: string, content: object) => writeFile(join(root, name), JSON.stringify(content));
  await symlink(join(context.workspaceRoot, 'node_modules'), join(root, 'node_modules'));
  await json('nx.json', { analytics: false, neverConnectToCloud: true, plugins });
  await json('package.json', { name: 'many', private: true, workspaces: ['projects/*'] });
  for (let index = 0; index < count; index += 1) {
    const name = `p${index}`;
    await mkdir(join(root, 'projects', name), { recursive: true });
    await json(join('projects', name, 'prebuilt.json'), {});
    await mkdir(join(root, 'projects', name, 'src'));
    await writeFile(join(root, 'projects', name, 'src/main.ts'), '');
    await json(join('projects', name, 'package.json'), {
      name,
      version: '0.0.0',
      scripts: { test: 'true' },
      ...(index === 0 ? {} : { dependencies: { [`p${index - 1}`]: '0.0.0' } }),
    });
  }
  return root;
}

// No daemon: it would answer from memory, and nothing would be measured.
const ONE_PROCESS = { NX_DAEMON: 'false', NX_ISOLATE_PLUGINS: 'false' };

const growthProjects: Growth = {
  name: 'growth-projects',
  title: 'Growth: projects in the workspace',
  description: '`nx show projects` without its daemon, every project a program with a prebuilt.json',
  axis: 'projects',
  points: [10, 100, 1000],
  async prepare(context, point) {
    const root = await manyProjects(context, point, ['@prebuilt/nx']);
    return {
      before: () => rm(join(root, '.nx'), { recursive: true, force: true }),
      run: () => runAll([nxCommand(root, ['show', 'projects'], ONE_PROCESS)]),
      close: () => rm(root, { recursive: true, force: true }),
    };
  },
};

/** Every Nx command in a workspace pays for its plugins. */
export const pluginStart: Bench = {
  name: 'plugin-start',
  title: 'Start of Nx with the plugin',
  ours: '`nx show projects` without its daemon, 100 programs, with @prebuilt/nx',
  theirs: 'the same without it',
  unit: 'ms',
  target: { kind: 'report' },
  async prepare(context) {
    const [own, bare] = [
      await manyProjects(context, 100, ['@prebuilt/nx']),
      await manyProjects(context, 100, []),
    ];
    const side = (root: string) => ({
      run: () => runAll([nxCommand(root, ['show', 'projects'], ONE_PROCESS)]),
    });
    return {
      ours: side(own),
      theirs: side(bare),
      close: async () => {
        for (const root of [own, bare]) await rm(root, { recursive: true, force: true });
      },
    };
  },
};

/** All measurements that are charted against the amount of work. */
export const growths: readonly Growth[] = [growthPlatforms, growthExecutable, growthMounts, growthProjects];
