// cspell:ignore ulimits nofile nnetns
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutorContext } from '@nx/devkit';
import { engineEnvironment, skipOutsideCi } from '@prebuilt/testing/engine';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import dockerLoad from '../src/executors/docker-load/executor.ts';
import type { DockerLoadOptions } from '../src/executors/docker-load/options.ts';
import { release, useRealEngine } from '../testing/release.ts';
import { type ReleaseWorkspace, releaseWorkspace } from '../testing/release-workspace.ts';

await useRealEngine();

const HAS_PODMAN = spawnSync('podman', ['--version']).status === 0;
const ENGINES = ['docker', 'podman', 'containerd'] as const;
type Engine = (typeof ENGINES)[number];

const DOCKERFILE = `FROM scratch
ARG TARGETARCH
COPY app-linux-$TARGETARCH /app
USER 65532
ENTRYPOINT ["/app"]
`;
const PROGRAM = `#include <unistd.h>
int main(void) { return write(1, "it runs\\n", 8) == 8 ? 0 : 1; }
`;

let folder: string;
let workspace: ReleaseWorkspace;
const former = { ...process.env };
const namespace = `engines-${process.pid}`;
const repository = `engines-${process.pid}`;
/** The index's digest by compression. */
const digests = new Map<string, string>();

beforeEach(({ skip }) => {
  if (!HAS_PODMAN) skipOutsideCi('there is no podman: apt-get install podman', skip);
});

beforeAll(async () => {
  const engine = await engineEnvironment();
  if (!engine.available || !HAS_PODMAN) return;
  folder = await mkdtemp(join(tmpdir(), 'engines-'));
  await writeFile(join(folder, 'app.c'), PROGRAM);
  await execa('cc', ['-static', '-Os', '-s', '-o', 'app', 'app.c'], { cwd: folder });
  workspace = await releaseWorkspace({
    dockerfile: DOCKERFILE,
    runtime: {},
    executable: await readFile(join(folder, 'app')),
  });
  for (const compression of ['gzip', 'zstd'] as const) {
    const { image } = await release(workspace, { compression, outputPath: `dist/${compression}` });
    digests.set(compression, image.digest);
    const target = `docker://${process.env.REGISTRY}/${repository}:${compression}`;
    // Otherwise it would replace a layer with one of another compression, if it remembers one from an earlier run.
    const copy = ['copy', '--all', '--preserve-digests', '--dest-tls-verify=false'];
    await execa('skopeo', [...copy, `oci:dist/${compression}`, target], { cwd: workspace.root });
  }
  // Separate storage, the engine's runc, and no limits that this machine can't set.
  const home = join(process.env.DOCKER_HOST?.replace('unix://', '') ?? '', '../..');
  await writeFile(
    join(folder, 'storage.conf'),
    `[storage]\ndriver = "vfs"\ngraphroot = "${folder}/root"\nrunroot = "${folder}/run"\n`,
  );
  await writeFile(
    join(folder, 'containers.conf'),
    '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\nnetns = "none"\n' +
      `[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\n[engine.runtimes]\nrunc = ["${home}/packages/usr/bin/runc", "/usr/bin/runc", "/usr/sbin/runc"]\n`,
  );
  await mkdir(join(folder, 'root'), { recursive: true });
  Object.assign(process.env, {
    CONTAINERS_STORAGE_CONF: join(folder, 'storage.conf'),
    CONTAINERS_CONF: join(folder, 'containers.conf'),
    CONTAINERD_ADDRESS: join(home, 'run/containerd.sock'),
    PATH: `${process.env.PATH}:${home}/packages/usr/bin`,
  });
});

afterAll(async () => {
  const quiet = { reject: false } as const;
  if (workspace !== undefined) {
    const { stdout } = await execa('docker', ['image', 'ls', '--format={{.Repository}}:{{.Tag}}'], quiet);
    for (const name of stdout.split('\n').filter((each) => each.includes(repository))) {
      await execa('docker', ['image', 'rm', '--force', name], quiet);
    }
    const ctr = (...args: readonly string[]) => execa('ctr', [`--namespace=${namespace}`, ...args], quiet);
    const names = (await ctr('images', 'ls', '-q')).stdout.split('\n').filter((name) => name !== '');
    for (const name of names) await ctr('images', 'rm', '--sync', name);
    await execa('podman', ['image', 'rm', '--all', '--force'], quiet);
    await workspace.remove();
  }
  process.env = former;
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** The output of an image's container. */
async function run(engine: Engine, name: string): Promise<string> {
  const id = `${namespace}-${Math.random().toString(36).slice(2)}`;
  const args =
    engine === 'containerd'
      ? [`--namespace=${namespace}`, 'run', '--rm', name, id]
      : ['run', '--rm', '--network=none', name];
  return (await execa(engine === 'containerd' ? 'ctr' : engine, args)).stdout;
}

async function pull(engine: Engine, name: string): Promise<void> {
  if (engine === 'docker') await execa('docker', ['pull', name]);
  else if (engine === 'podman') await execa('podman', ['pull', '--tls-verify=false', name]);
  else await execa('ctr', [`--namespace=${namespace}`, 'images', 'pull', '--plain-http', name]);
}

async function remove(engine: Engine, name: string): Promise<void> {
  if (engine === 'containerd')
    await execa('ctr', [`--namespace=${namespace}`, 'images', 'rm', '--sync', name]);
  else await execa(engine, ['image', 'rm', '--force', name]);
}

describe.each(ENGINES)('%s', { timeout: 120_000 }, (engine) => {
  it.each(['gzip', 'zstd'])(
    'pulls and runs an image with %s compression by tag and digest',
    async (compression) => {
      const registry = process.env.REGISTRY;
      for (const name of [
        `${registry}/${repository}:${compression}`,
        `${registry}/${repository}@${digests.get(compression)}`,
      ]) {
        await pull(engine, name);
        expect(await run(engine, name)).toBe('it runs');
        await remove(engine, name);
      }
    },
  );

  it.each(['gzip', 'zstd'])(
    'runs an image with %s compression loaded by docker-load',
    async (compression) => {
      const options: DockerLoadOptions = {
        image: `${repository}:${compression}`,
        engine,
        namespace,
        inputPath: `dist/${compression}`,
        dryRun: false,
        json: false,
      };
      const context = { root: workspace.root, projectName: 'server' } as ExecutorContext;
      expect(await dockerLoad(options, context)).toEqual({ success: true });
      const name = `docker.io/library/${repository}:${compression}`;
      expect(await run(engine, name)).toBe('it runs');
      if (engine !== 'containerd') expect(await run(engine, `${repository}:${compression}`)).toBe('it runs');
      await remove(engine, name);
    },
  );
});
