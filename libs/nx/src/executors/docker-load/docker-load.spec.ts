import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { ExecutorContext } from '@nx/devkit';
import { readImageLayout } from '@prebuilt/oci';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { release } from '../../../testing/release.ts';
import {
  type ReleaseWorkspace,
  releaseWorkspace,
  SAMPLE_DOCKERFILE,
} from '../../../testing/release-workspace.ts';
import dockerLoad from './executor.ts';
import type { DockerLoadOptions } from './options.ts';
import { planDockerLoad } from './plan.ts';

const OPTIONS: DockerLoadOptions = {
  image: 'server',
  engine: 'docker',
  namespace: 'default',
  inputPath: 'dist/oci',
  dryRun: false,
  json: false,
};

let workspace: ReleaseWorkspace;
beforeAll(async () => {
  workspace = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE });
  await release(workspace);
});
afterAll(() => workspace.remove());

const plan = async (more: Partial<DockerLoadOptions> = {}, host = 'linux/arm64') =>
  planDockerLoad({ ...OPTIONS, ...more }, await readImageLayout(workspace.path('dist/oci')), host);

/** Runs the executor with programs of these names, each a script that gets a folder for its output. */
async function load(
  options: Partial<DockerLoadOptions>,
  programs: Readonly<Record<string, string>>,
): Promise<{ readonly success: boolean; readonly said: string }> {
  const folder = workspace.path('programs');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(`${folder}/${name}`, `#!/bin/sh\ncd '${folder}'\n${script}\n`);
    await chmod(`${folder}/${name}`, 0o755);
  }
  const lines: string[] = [];
  const say = (...parts: unknown[]): void => void lines.push(parts.join(' '));
  vi.spyOn(console, 'log').mockImplementation(say);
  vi.spyOn(console, 'error').mockImplementation(say);
  vi.stubEnv('PATH', Object.keys(programs).length === 0 ? folder : `${folder}:${process.env.PATH}`);
  try {
    const context = { root: workspace.root, projectName: 'server' } as ExecutorContext;
    const { success } = await dockerLoad({ ...OPTIONS, ...options }, context);
    return { success, said: lines.join('\n') };
  } finally {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  }
}

describe('planDockerLoad', () => {
  it.each([
    ['server', 'docker.io/library/server:1.2.3'],
    ['server:dev', 'docker.io/library/server:dev'],
    ['ghcr.io/acme/server', 'ghcr.io/acme/server:1.2.3'],
    ['localhost:5000/server:x', 'localhost:5000/server:x'],
  ])('the name %s is expanded in full, with the version as its default tag', async (image, reference) => {
    const { documents, ...found } = await plan({ image });
    expect(found.reference).toBe(reference);
    const { manifests } = JSON.parse(documents['index.json'] ?? '');
    expect(manifests).toHaveLength(1);
    expect(manifests[0]).toMatchObject({
      digest: found.digest,
      annotations: { 'io.containerd.image.name': reference },
    });
    expect(JSON.parse(documents['manifest.json'] ?? '')[0].RepoTags).toEqual([reference]);
  });

  it('an engine that stores one platform gets this machine’s image, or else the first', async () => {
    expect((await plan()).platform).toBe('linux/arm64');
    expect((await plan({}, 'darwin/arm64')).platform).toBe('linux/amd64');
  });

  it('planDockerLoad refuses a digest, and a version that can’t be a tag', async () => {
    await expect(plan({ image: `server@sha256:${'a'.repeat(64)}` })).rejects.toThrow(
      'expected a name with a tag',
    );
    const layout = await readImageLayout(workspace.path('dist/oci'));
    const unnamed = { ...layout, root: { ...layout.root, annotations: {} } };
    expect(() => planDockerLoad(OPTIONS, unnamed, undefined)).toThrow('expected a name with a tag');
  });
});

describe('docker-load', () => {
  it.each([
    ['docker', 'docker', 'load'],
    ['podman', 'podman', 'load'],
    ['containerd', 'ctr', '--namespace=k8s.io images import -'],
  ] as const)(
    'docker-load sends %s an archive that is both a layout of all platforms and what docker saves',
    async (engine, program, args) => {
      const { success, said } = await load(
        { engine, namespace: 'k8s.io' },
        { [program]: 'echo "$*" > args; exec cat > archive.tar' },
      );
      expect(success, said).toBe(true);
      const folder = workspace.path('programs');
      expect((await readFile(`${folder}/args`, 'utf8')).trim()).toBe(args);
      await mkdir(`${folder}/unpacked`);
      await execa('tar', ['-C', `${folder}/unpacked`, '-xf', `${folder}/archive.tar`]);
      const [loaded, packed] = await Promise.all([
        readImageLayout(`${folder}/unpacked`),
        readImageLayout(workspace.path('dist/oci')),
      ]);
      expect(loaded.root.digest).toBe(packed.root.digest);
      expect(loaded.images.map(({ descriptor }) => descriptor)).toEqual(
        packed.images.map(({ descriptor }) => descriptor),
      );
      const [saved] = JSON.parse(await readFile(`${folder}/unpacked/manifest.json`, 'utf8'));
      for (const path of [saved.Config, ...saved.Layers]) await readFile(`${folder}/unpacked/${path}`);
      expect(said).toContain(`into ${engine}`);
    },
  );

  it('a dry run prints what docker-load would do, and starts no program', async () => {
    const { success, said } = await load({ dryRun: true }, {});
    expect(success).toBe(true);
    expect(said).toMatch(
      /would load docker\.io\/library\/server:1\.2\.3 \(linux\/amd64, linux\/arm64; .* MB\): docker load/,
    );
    const { said: json } = await load({ dryRun: true, json: true }, {});
    expect(JSON.parse(json)).toMatchObject({ engine: 'docker', command: { file: 'docker', args: ['load'] } });
  });

  it.each([
    ['names a missing program', {}, 'error ENGINE: docker: expected the program on PATH, found none'],
    [
      'reports what a failing program printed',
      { docker: 'cat > /dev/null; echo "no engine" >&2; exit 1' },
      'error ENGINE: docker load: no engine',
    ],
    [
      'keeps control sequences from the terminal',
      { docker: "cat > /dev/null; printf 'no\\033[2Jengine' >&2; exit 1" },
      'docker load: no [2Jengine',
    ],
    // The program closes its input before the archive is sent.
    [
      'reports what a program printed that reads nothing',
      { docker: 'echo "denied" >&2; exit 1' },
      'docker load: denied',
    ],
  ])('docker-load %s', async (_, programs, message) => {
    const { success, said } = await load({}, programs as Record<string, string>);
    expect(success).toBe(false);
    expect(said).toContain(message);
    expect(said).toContain('Start Docker');
  });

  it('docker-load refuses a blob that does not match its digest', async () => {
    const { blobs, documents } = await plan();
    const layer = blobs.at(-1);
    if (layer === undefined) throw new Error('there is no blob');
    const path = workspace.path('dist/oci/blobs/sha256', layer.digest.slice('sha256:'.length));
    const honest = await readFile(path);
    const forged = Buffer.from(honest);
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    await writeFile(path, forged);
    try {
      const { success, said } = await load({}, { docker: 'exec cat > /dev/null' });
      expect(success).toBe(false);
      expect(said).toContain('error DIGEST_MISMATCH');
      expect(documents).toBeDefined();
    } finally {
      await writeFile(path, honest);
    }
  });
});
