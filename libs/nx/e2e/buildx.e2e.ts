import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { readImageLayout } from '@prebuilt/oci';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { growExecutables, startRelease } from '../testing/executor-process.ts';
import { type ReleaseChanges, release, useRealEngine } from '../testing/release.ts';
import { type ReleaseWorkspace, releaseWorkspace, SAMPLE_DOCKERFILE } from '../testing/release-workspace.ts';

await useRealEngine();

const BUILDX = { builder: 'buildx' } as const;

let workspace: ReleaseWorkspace;
beforeEach(async () => {
  workspace = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE });
});
afterEach(() => workspace.remove());

/** Runs buildx with other arguments. */
function withArguments(change: (args: readonly string[]) => readonly string[]): ReleaseChanges {
  return {
    plan: (plan) => ({
      ...plan,
      platforms: plan.platforms.map((each) => ({
        ...each,
        command: each.command && { ...each.command, args: change(each.command.args) },
      })),
    }),
  };
}

async function expectNoTrace(): Promise<void> {
  expect((await readdir(workspace.path('dist'))).sort()).toEqual(['bin', 'verify']);
}

describe('docker-release with a real engine', () => {
  it('uses buildx by default, and writes one index with an image for each platform', async () => {
    const { image } = await release(workspace, { builder: 'auto' });
    expect(image.builder).toBe('buildx');
    const layout = await readImageLayout(workspace.path('dist/oci'));
    expect(layout.root.digest).toBe(image.digest);
    expect(layout.index?.manifests.map(({ platform }) => platform?.architecture)).toEqual(['amd64', 'arm64']);
    expect((await readdir(workspace.path('dist/oci'))).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  });

  it('produces the same index again', async () => {
    const { image } = await release(workspace, BUILDX);
    expect((await release(workspace, BUILDX)).image.digest).toBe(image.digest);
  });

  it.for(['buildx', 'daemonless'] as const)(
    'writes a layout with %s that other tools can read',
    async (builder, { skip }) => {
      const skopeo = await execa('skopeo', ['--version'], { reject: false });
      const umoci = await execa('umoci', ['--version'], { reject: false });
      if (skopeo.failed || umoci.failed)
        skipOutsideCi('skopeo and umoci are missing: apt-get install skopeo umoci', skip);
      await release(workspace, { builder });
      const source = `oci:${workspace.path('dist/oci')}:1.2.3`;
      for (const [arch, executable] of [
        ['amd64', 'app-linux-amd64'],
        ['arm64', 'app-linux-arm64'],
      ] as const) {
        const inspected = await execa('skopeo', ['inspect', `--override-arch=${arch}`, '--config', source]);
        expect(JSON.parse(inspected.stdout).architecture).toBe(arch);
        const single = `oci:${workspace.path(`single-${arch}`)}:x`;
        await execa('skopeo', ['copy', `--override-arch=${arch}`, source, single]);
        const bundle = workspace.path(`bundle-${arch}`);
        await execa('umoci', [
          'unpack',
          '--rootless',
          `--image=${workspace.path(`single-${arch}`)}:x`,
          bundle,
        ]);
        expect(await readFile(`${bundle}/rootfs/app`)).toEqual(
          await readFile(workspace.path('dist/bin', executable)),
        );
      }
    },
  );

  it('reports buildx’s error if it fails, and leaves nothing', async () => {
    const failing = release(
      workspace,
      BUILDX,
      withArguments((args) => [...args.slice(0, -1), 'absent']),
    );
    await expect(failing).rejects.toMatchObject({
      code: 'BUILDER',
      message: expect.stringMatching(/docker buildx build: ERROR: .*absent/),
    });
    await expectNoTrace();
  });

  it('has the same index as the daemonless builder, and keeps layers that buildx has compressed', async () => {
    const own = await release(workspace, { builder: 'daemonless' });
    const lines: string[] = [];
    const layer = (each: object) => void lines.push(JSON.stringify(each));
    const plain = await release(workspace, BUILDX, { progress: { layer } });
    expect(plain.image.digest).toBe(own.image.digest);
    expect(lines.filter((each) => each.includes('"platform":"linux/arm64","layer":1,'))).not.toEqual([]);
    const packed = withArguments((args) => args.map((arg) => arg.replace('=uncompressed', '=gzip')));
    const kept = await release(workspace, BUILDX, packed);
    expect(kept.image.digest).not.toBe(own.image.digest);
    const { images } = await readImageLayout(workspace.path('dist/oci'));
    for (const { manifest } of images) {
      for (const { mediaType } of manifest.layers) expect(mediaType).toMatch(/\.tar\+gzip$/);
    }
  });

  it('refuses an image whose files do not match the plan, and leaves nothing', async () => {
    const other = release(workspace, BUILDX, {
      plan: (plan) => ({
        ...plan,
        platforms: plan.platforms.map((each) => ({
          ...each,
          image: {
            ...each.image,
            layers: each.image.layers.map((paths) =>
              paths.map((path) =>
                path.file ? { ...path, file: { ...path.file, sha256: 'f'.repeat(64) } } : path,
              ),
            ),
          },
        })),
      }),
    });
    await expect(other).rejects.toMatchObject({
      code: 'BUILDER',
      message: expect.stringMatching(/is not the one that was planned: .*expected SHA-256 f{64}/),
    });
    await expectNoTrace();
  });

  it('keeps the previous image and leaves no temporary folder when interrupted', async () => {
    const { image } = await release(workspace, BUILDX);
    await growExecutables(workspace, 100 * 1024 * 1024);
    const run = startRelease(workspace, { builder: 'buildx' }, ['env']);
    const deadline = Date.now() + 60_000;
    while (!run.output().includes('exporting layers') && Date.now() < deadline) await delay(20);
    run.interrupt();
    expect(await run.exit, run.output()).toBe(1);
    expect(run.output()).toContain('error INTERRUPTED: stopped by SIGINT');
    expect((await readdir(workspace.path('dist'))).sort()).toEqual(['bin', 'oci', 'verify']);
    expect((await readImageLayout(workspace.path('dist/oci'))).root.digest).toBe(image.digest);
  });

  it('gives the engine only the platform’s executable and runtime folder', async () => {
    await writeFile(workspace.path('dist/bin/secret'), 'not for the image');
    const lines: string[] = [];
    const { plan } = await release(
      workspace,
      { ...BUILDX, platforms: ['linux/amd64'] },
      {
        dockerfile: Buffer.from('FROM scratch\nCOPY . /\n'),
        progress: { line: (line) => lines.push(line) },
      },
    );
    expect(plan.platforms[0]?.image.layers.flat().map(({ path }) => path)).toEqual([
      'app-linux-amd64',
      'runtime-linux-amd64',
      'runtime-linux-amd64/lib',
      'runtime-linux-amd64/lib/libc.so.6',
    ]);
    expect(lines.join('\n')).toContain('linux/amd64 | ');
  });
});
