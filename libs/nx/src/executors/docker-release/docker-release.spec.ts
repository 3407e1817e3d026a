import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  compressionOf,
  platformName,
  type ReadEntry,
  readBlob,
  readImageLayout,
  readLayer,
} from '@prebuilt/oci';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { growExecutables, startRelease } from '../../../testing/executor-process.ts';
import { release as releaseOf } from '../../../testing/release.ts';
import {
  type ReleaseWorkspace,
  releaseWorkspace,
  SAMPLE_DOCKERFILE,
} from '../../../testing/release-workspace.ts';
import { formatManifest } from '../../artifacts/manifest.ts';
import { EXECUTABLE_DIGEST_LABEL } from '../../image/labels.ts';
import { describeFailure } from '../failures.ts';
import dockerRelease from './executor.ts';
import type { DockerReleaseOptions } from './options.ts';
import type { DockerReleasePlan } from './plan.ts';
import type { DockerRelease } from './run.ts';

let workspace: ReleaseWorkspace;
beforeEach(async () => {
  workspace = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE });
});
afterEach(() => workspace.remove());

async function release(more: Partial<DockerReleaseOptions> = {}): Promise<DockerRelease> {
  return (await releaseOf(workspace, more)).image;
}

async function filesOf(): Promise<Readonly<Record<string, readonly ReadEntry[]>>> {
  const folder = workspace.path('dist/oci');
  const { images } = await readImageLayout(folder);
  const found: Record<string, readonly ReadEntry[]> = {};
  for (const { platform, manifest, config } of images) {
    const entries: ReadEntry[] = [];
    for (const [index, layer] of manifest.layers.entries()) {
      const options = {
        compression: compressionOf(layer.mediaType) ?? 'none',
        diffId: config.rootfs.diff_ids[index],
      };
      for await (const entry of readLayer(readBlob(folder, layer), options)) entries.push(entry);
    }
    found[platformName(platform)] = entries;
  }
  return found;
}

async function treeOf(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const lines = await Promise.all(
    entries.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      return entry.isFile()
        ? `${path} ${createHash('sha256')
            .update(await readFile(path))
            .digest('hex')}`
        : path;
    }),
  );
  return lines.sort().join('\n');
}

describe('docker-release without an engine', () => {
  it('docker-release creates one index with an image per platform, with the exact executables', async () => {
    const { digest, images } = await release();
    const { index, root } = await readImageLayout(workspace.path('dist/oci'));
    expect(root.digest).toBe(digest);
    expect(index?.manifests.map((each) => each.digest)).toEqual(images.map((image) => image.digest));
    const files = await filesOf();
    for (const { platform, sha256 } of workspace.manifest.platforms) {
      const app = files[platform]?.find(({ path }) => path === 'app');
      expect(app).toMatchObject({ sha256, mode: 0o755, uid: 0, gid: 0, mtime: 1_700_000_000 });
      expect(files[platform]?.map(({ path }) => path)).toEqual(['lib', 'lib/libc.so.6', 'app']);
    }
  });

  it('the labels of each image say what it is made from', async () => {
    await release({ imageTitle: 'Another title' });
    const { images } = await readImageLayout(workspace.path('dist/oci'));
    expect(images.map(({ config }) => config.config?.Labels)).toEqual(
      workspace.manifest.platforms.map(({ sha256 }) => ({
        'org.opencontainers.image.title': 'Another title',
        'org.opencontainers.image.version': '1.2.3',
        'org.opencontainers.image.revision': '0123456789abcdef0123456789abcdef01234567',
        'org.opencontainers.image.created': '2023-11-14T22:13:20Z',
        'org.opencontainers.image.source': 'https://example.com/app',
        'org.opencontainers.image.licenses': 'MIT',
        [EXECUTABLE_DIGEST_LABEL]: `sha256:${sha256}`,
      })),
    );
  });

  it('the same files in another folder give the same index', async () => {
    const first = await release();
    const other = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE });
    try {
      await workspace.remove();
      workspace = other;
      expect((await release()).digest).toBe(first.digest);
    } finally {
      await other.remove();
    }
  });

  it('hard links between files do not change the index', async () => {
    const runtime = { 'lib/a': { content: 'same' }, 'lib/b': { content: 'same' } };
    const one = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE, runtime });
    await workspace.remove();
    workspace = one;
    const apart = await release();
    for (const { runtime: folder } of workspace.manifest.platforms) {
      const lib = workspace.path('dist/bin', folder.path, 'lib');
      await rm(join(lib, 'b'));
      execFileSync('ln', [join(lib, 'a'), join(lib, 'b')]);
    }
    expect((await release()).digest).toBe(apart.digest);
  });

  it('docker-release packs only the requested platforms, and each image is independent of the others', async () => {
    const both = await release();
    const one = await release({ platforms: ['linux/arm64'] });
    expect(one.images.map(({ digest }) => digest)).toEqual([both.images[1]?.digest]);
  });

  it('zstd compression gives the same image IDs', async () => {
    const gzip = await release();
    const zstd = await release({ compression: 'zstd' });
    expect(zstd.images.map(({ imageId }) => imageId)).toEqual(gzip.images.map(({ imageId }) => imageId));
    const { images } = await readImageLayout(workspace.path('dist/oci'));
    const types = new Set(
      images.flatMap(({ manifest }) => manifest.layers.map(({ mediaType }) => mediaType)),
    );
    expect([...types]).toEqual(['application/vnd.oci.image.layer.v1.tar+zstd']);
  });

  it('docker-release leaves only the layout', async () => {
    await release();
    await release();
    expect((await readdir(workspace.path('dist'))).sort()).toEqual(['bin', 'oci', 'verify']);
    expect((await readdir(workspace.path('dist/oci'))).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  });

  it('an image contains no file from dist/bin that the manifest does not list', async () => {
    await writeFile(workspace.path('dist/bin/runtime-linux-amd64/lib/extra.so'), 'x');
    await release();
    expect((await filesOf())['linux/amd64']?.map(({ path }) => path)).toEqual([
      'lib',
      'lib/libc.so.6',
      'app',
    ]);
  });

  it('any zstd level packs the same files', async () => {
    const text = Array.from({ length: 5_000 }, (_, index) => index * index).join(' ');
    const large = await releaseWorkspace({ dockerfile: SAMPLE_DOCKERFILE, executable: Buffer.from(text) });
    try {
      const packed = async (compressionLevel: number) => {
        await releaseOf(large, { compression: 'zstd', compressionLevel });
        const [image] = (await readImageLayout(large.path('dist/oci'))).images;
        return { size: image?.manifest.layers[1]?.size ?? 0, diffIds: image?.config.rootfs.diff_ids };
      };
      const [fast, small] = [await packed(1), await packed(19)];
      expect(small.diffIds).toEqual(fast.diffIds);
      expect(small.size).toBeLessThan(fast.size);
    } finally {
      await large.remove();
    }
  });

  it('consecutive versions share the layer of the runtime', async () => {
    const layersOf = async (of: ReleaseWorkspace): Promise<readonly string[]> => {
      await releaseOf(of);
      const [image] = (await readImageLayout(of.path('dist/oci'))).images;
      return image?.manifest.layers.map(({ digest }) => digest) ?? [];
    };
    const next = await releaseWorkspace({
      dockerfile: SAMPLE_DOCKERFILE,
      version: '1.3.0',
      executable: Buffer.from('the next version\n'),
    });
    try {
      const [before, after] = [await layersOf(workspace), await layersOf(next)];
      expect(after).toHaveLength(2);
      expect(after[0]).toBe(before[0]);
      expect(after[1]).not.toBe(before[1]);
    } finally {
      await next.remove();
    }
  });

  it('docker-release writes a summary for GitHub Actions and prints the index', async () => {
    const summary = workspace.path('summary.md');
    vi.stubEnv('GITHUB_STEP_SUMMARY', summary);
    const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    const written = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
    try {
      expect(await runExecutor()).toEqual({ success: true });
      const { root } = await readImageLayout(workspace.path('dist/oci'));
      expect(printed.mock.calls.flat().join('\n')).toContain(`index ${root.digest}`);
      expect(written.mock.calls.flat().join('')).toContain('app 1.2.3: daemonless (as requested)');
      expect(await readFile(summary, 'utf8')).toContain(root.digest);
    } finally {
      vi.unstubAllEnvs();
      vi.restoreAllMocks();
    }
  });
});

function runExecutor(more: Partial<DockerReleaseOptions> = {}): Promise<{ success: boolean }> {
  const context = { root: workspace.root } as Parameters<typeof dockerRelease>[1];
  return dockerRelease(workspace.options(more), context);
}

it.each(['26.1.5', '28.5.2'])(
  'the daemonless builder does not ask engine %s, so that the image is the same without one',
  async (version) => {
    const index = async () => {
      expect(await runExecutor()).toEqual({ success: true });
      return readFile(join(workspace.root, 'dist/oci/index.json'), 'utf8');
    };
    const without = await index();
    const bin = join(workspace.root, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'docker'), `#!/bin/sh\ntouch ${bin}/asked\necho ${version}\n`, { mode: 0o755 });
    vi.stubEnv('PATH', `${bin}:${process.env.PATH}`);
    try {
      expect(await index()).toBe(without);
      expect(await readdir(bin)).toEqual(['docker']);
    } finally {
      vi.unstubAllEnvs();
    }
  },
);

describe('docker-release --dry-run', () => {
  it('docker-release --dry-run prints a plan and does nothing', async () => {
    const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    try {
      const before = await treeOf(workspace.root);
      expect(await runExecutor({ dryRun: true, json: true })).toEqual({ success: true });
      expect(await treeOf(workspace.root)).toBe(before);
      const plan: DockerReleasePlan = JSON.parse(String(printed.mock.calls[0]?.[0]));
      expect(plan).toMatchObject({ builder: 'daemonless', version: '1.2.3', sourceDateEpoch: 1_700_000_000 });
      expect(plan.platforms.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64']);
    } finally {
      vi.restoreAllMocks();
    }
  });
});

const DOCKERFILES: Readonly<Record<string, readonly [string, string]>> = {
  RUN: [`${SAMPLE_DOCKERFILE}RUN make\n`, ':8: RUN: needs buildx, but --builder=daemonless executes nothing'],
  'a base that is not in the lock': [
    'FROM debian:12\nCOPY app-linux-amd64 /app\n',
    'LOCKFILE: prebuilt.lock.json: expected the digest of docker.io/library/debian:12',
  ],
  'no layer': ['FROM scratch\nUSER 1\n', 'without any layer'],
  'a syntax line': [
    `# syntax=docker/dockerfile:1\n${SAMPLE_DOCKERFILE}`,
    'expected the digest of docker.io/docker/dockerfile:1, which',
  ],
  'a check line': [`# check=skip=all\n${SAMPLE_DOCKERFILE}`, ':1: a "# check=" line'],
  'a source outside the context': [
    'FROM scratch\nCOPY ../x /x\n',
    ':2: COPY: ../x: is outside the build context',
  ],
  'a missing source': [
    'FROM scratch\nCOPY absent /x\n',
    ':2: COPY: absent: expected a file or folder in the build context, found none',
  ],
  'a file of dist/bin that was not verified': [
    'FROM scratch\nCOPY manifest.json /x\n',
    ':2: COPY: manifest.json: expected',
  ],
  'the executable of another platform': [
    'FROM scratch\nCOPY app-linux-amd64 /app\n',
    ':2: COPY: app-linux-amd64: expected',
  ],
  'a pattern that matches nothing': [
    'FROM scratch\nCOPY ap?-* /x/\nCOPY nap-* /x/\n',
    ':3: COPY: nap-*: expected a file or folder in the build context, found none',
  ],
  'an owner by name without a list of users': [
    'FROM scratch\nARG TARGETARCH\nCOPY --chown=bob app-linux-$TARGETARCH /x\n',
    ':3: COPY: --chown: bob: expected /etc/passwd in the image',
  ],
  'WORKDIR after a user by name without a list of users': [
    'FROM scratch\nUSER bob\nWORKDIR /x\n',
    ':3: WORKDIR: USER: bob: expected /etc/passwd in the image',
  ],
  'an invalid mode': [
    'FROM scratch\nARG TARGETARCH\nCOPY --chmod=rwx app-linux-$TARGETARCH /x\n',
    ':3: COPY: --chmod: expected a mode such as 755',
  ],
  'a mode for a folder': [
    'FROM scratch\nARG TARGETARCH\nCOPY --chmod=700 runtime-linux-$TARGETARCH /x\n',
    'BuildKit versions differ',
  ],
  'several sources for a file': [
    'FROM scratch\nARG TARGETARCH\nCOPY app-linux-$TARGETARCH app-linux-$TARGETARCH /x\n',
    'expected a folder with a trailing "/"',
  ],
  'a folder over a file': [
    'FROM scratch\nARG TARGETARCH\nCOPY app-linux-$TARGETARCH /x\nWORKDIR /x/y\n',
    ':4: WORKDIR: /x is a file',
  ],
  'a file over a folder': [
    'FROM scratch\nARG TARGETARCH\nWORKDIR /x/lib/libc.so.6\nCOPY runtime-linux-$TARGETARCH /x\n',
    ':4: COPY: /x/lib/libc.so.6 is a folder',
  ],
  'a build argument that depends on the machine': [
    'FROM scratch\nARG BUILDPLATFORM\nCOPY x /x\n',
    ':2: ARG: BUILDPLATFORM: depends on the build machine',
  ],
  'a proxy as a build argument': [
    'FROM scratch\nARG http_proxy\nCOPY x /x\n',
    ':2: ARG: http_proxy: depends on the build machine',
  ],
  'an invalid port': [
    'FROM scratch\nARG TARGETARCH\nCOPY app-linux-$TARGETARCH /x\nEXPOSE 70000\n',
    ':4: EXPOSE: expected a port',
  ],
};

const bin = (...parts: readonly string[]): string => workspace.path('dist/bin', ...parts);

const CHANGED_FILES: Readonly<Record<string, readonly [() => Promise<unknown>, string, string]>> = {
  'a missing executable': [
    () => rm(bin('app-linux-arm64')),
    'ARTIFACT_CHANGED',
    'app-linux-arm64: expected a file, found none',
  ],
  'a missing runtime file': [
    () => rm(bin('runtime-linux-amd64/lib/libc.so.6')),
    'ARTIFACT_CHANGED',
    'found none',
  ],
  'a truncated executable': [() => truncate(bin('app-linux-amd64'), 3), 'ARTIFACT_CHANGED', 'bytes, found 3'],
  'one flipped byte after verify': [
    async () => {
      const bytes = await readFile(bin('app-linux-amd64'));
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      await writeFile(bin('app-linux-amd64'), bytes);
    },
    'ARTIFACT_CHANGED',
    'expected the verified SHA-256',
  ],
  'one flipped byte in a runtime file': [
    () => writeFile(bin('runtime-linux-arm64/lib/libc.so.6'), 'libd'),
    'ARTIFACT_CHANGED',
    'expected the verified SHA-256',
  ],
  'the amd64 file under the arm64 name': [
    () => cp(bin('app-linux-amd64'), bin('app-linux-arm64')),
    'ARTIFACT_CHANGED',
    'app-linux-arm64',
  ],
  'a link instead of a file': [
    async () => {
      await rename(bin('app-linux-amd64'), bin('elsewhere'));
      await symlink('elsewhere', bin('app-linux-amd64'));
    },
    'ARTIFACT_CHANGED',
    'expected a regular file, found a link',
  ],
  'a runtime folder that is a link': [
    async () => {
      await rename(bin('runtime-linux-amd64'), bin('elsewhere'));
      await symlink('elsewhere', bin('runtime-linux-amd64'));
    },
    'ARTIFACT_CHANGED',
    'found a link',
  ],
  'a folder instead of a file': [
    async () => {
      await rm(bin('app-linux-amd64'));
      await mkdir(bin('app-linux-amd64'));
    },
    'ARTIFACT_CHANGED',
    'found something else',
  ],
  'an executable that is not executable': [
    () => chmod(bin('app-linux-amd64'), 0o644),
    'ARTIFACT_CHANGED',
    'the mode 755, found 644',
  ],
  'no manifest': [() => rm(bin('manifest.json')), 'MANIFEST_MISSING', 'expected a file, found none'],
  'a damaged manifest': [
    () => writeFile(bin('manifest.json'), '{"schemaVersion":1}'),
    'INVALID_MANIFEST',
    'manifest.json',
  ],
  'a manifest of another version': [
    () => writeFile(bin('manifest.json'), formatManifest({ ...workspace.manifest, version: '2.0.0' })),
    'VERIFY_REPORT',
    'linux/amd64: expected a passing report in dist/verify, found one for another manifest',
  ],
  'no report for a platform': [
    () => rm(workspace.path('dist/verify/linux-arm64.json')),
    'VERIFY_REPORT',
    'linux/arm64: expected a passing report in dist/verify, found none',
  ],
  'a failed report': [
    () =>
      editReport('linux-amd64', {
        result: 'failed',
        findings: [{ severity: 'error', code: 'X', message: 'no good' }],
      }),
    'VERIFY_REPORT',
    'found one that failed: no good',
  ],
  'a report for another platform': [
    () => editReport('linux-amd64', { platform: 'linux/arm64' }),
    'VERIFY_REPORT',
    'found one for linux/arm64',
  ],
  'a report for another executable': [
    () => editReport('linux-amd64', { executableSha256: 'a'.repeat(64) }),
    'VERIFY_REPORT',
    'for another executable',
  ],
  'a damaged report': [
    () => writeFile(workspace.path('dist/verify/linux-amd64.json'), '{}'),
    'INVALID_REPORT',
    'linux-amd64.json',
  ],
  'no Dockerfile': [
    () => rm(workspace.path('Dockerfile.release')),
    'INVALID_OPTIONS',
    "Dockerfile.release: can't be read",
  ],
};

async function editReport(name: string, change: object): Promise<void> {
  const path = workspace.path('dist/verify', `${name}.json`);
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...change }));
}

/**
 * The reported lines of the error that the work throws. Fails if it throws nothing or an error that no user can act on.
 */
async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const lines = describeFailure(error, { root: '', projectName: 'release' });
  if (lines === undefined) throw new Error('expected a refusal', { cause: error });
  return lines.join('\n');
}

describe.each(['a former image', 'no image'])(
  'a refusal by docker-release leaves %s in dist/oci as it was',
  (before) => {
    let trace: string;
    async function expectNoTrace(): Promise<void> {
      const dist = await readdir(workspace.path('dist'));
      expect(dist.filter((name) => !['bin', 'verify', 'oci'].includes(name))).toEqual([]);
      expect(dist.includes('oci') ? await treeOf(workspace.path('dist/oci')) : '').toBe(trace);
    }
    beforeEach(async () => {
      if (before === 'a former image') await release();
      trace = before === 'a former image' ? await treeOf(workspace.path('dist/oci')) : '';
    });

    it.each(Object.entries(DOCKERFILES))(
      'docker-release refuses a Dockerfile with %s',
      async (_, [dockerfile, message]) => {
        await writeFile(workspace.path('Dockerfile.release'), dockerfile);
        expect(await refusalOf(release())).toContain(message);
        await expectNoTrace();
      },
    );

    it.each(Object.entries(CHANGED_FILES))(
      'docker-release refuses %s',
      async (_, [change, code, message]) => {
        await change();
        const refusal = await refusalOf(release());
        expect(refusal).toContain(`error ${code}: `);
        expect(refusal).toContain(message);
        await expectNoTrace();
      },
    );

    it.each([
      ['an unknown platform', { platforms: ['linux/amd65'] }, 'expected one of linux/amd64'],
      [
        'a platform that was not built',
        { platforms: ['linux/arm/v7'] },
        'expected platforms of the manifest (linux/amd64, linux/arm64)',
      ],
      ['a platform twice', { platforms: ['linux/amd64', 'linux/amd64'] }, 'named more than once'],
      ['an output outside the workspace', { outputPath: '../oci' }, 'outputPath: expected a folder inside'],
      ['the workspace itself as output', { outputPath: '.' }, 'outputPath: expected a folder inside'],
    ])('docker-release refuses %s', async (_, options, message) => {
      expect(await refusalOf(release(options))).toContain(message);
      await expectNoTrace();
    });

    it('docker-release refuses a file that changes while it is packed', async () => {
      const layer = (): void => {
        execFileSync('cp', [bin('app-linux-arm64'), bin('app-linux-amd64')]);
      };
      const changing = releaseOf(workspace, {}, { progress: { layer } });
      expect(await refusalOf(changing)).toContain('expected the verified SHA-256');
      await expectNoTrace();
    });
  },
);

describe('an interrupted docker-release', () => {
  it('an interrupted docker-release keeps the previous image and leaves no temporary folder', async () => {
    await release();
    const former = await treeOf(workspace.path('dist/oci'));
    await growExecutables(workspace, 200 * 1024 * 1024);
    const run = startRelease(workspace, {}, ['env']);
    const deadline = Date.now() + 30_000;
    const working = async (): Promise<boolean> =>
      (await readdir(workspace.path('dist'))).some((name) => name.startsWith('.oci-'));
    while (!(await working()) && Date.now() < deadline) await delay(20);
    run.interrupt();
    expect(await run.exit, run.output()).toBe(1);
    expect(run.output()).toContain('error INTERRUPTED: stopped by SIGINT');
    expect((await readdir(workspace.path('dist'))).sort()).toEqual(['bin', 'oci', 'verify']);
    expect(await treeOf(workspace.path('dist/oci'))).toBe(former);
  });
});

describe('docker-release on a bad disk', () => {
  beforeEach(({ skip }) => {
    if (process.getuid?.() !== 0) skipOutsideCi('the user is not root, whom a mount namespace needs', skip);
  });

  it('docker-release says that the disk is full, and leaves nothing', async () => {
    await growExecutables(workspace, 16 * 1024 * 1024);
    await rename(workspace.path('dist'), workspace.path('kept'));
    const script =
      'mkdir "$0/dist" && mount -t tmpfs -o size=8m none "$0/dist" && ln -s ../kept/bin "$0/dist/bin" && ln -s ../kept/verify "$0/dist/verify" && "$@"; code=$?; ls -A "$0/dist"; exit $code';
    const run = startRelease(workspace, {}, ['unshare', '--mount', 'sh', '-c', script, workspace.root]);
    expect(await run.exit, run.output()).toBe(1);
    expect(run.output()).toMatch(/error ENOSPC: .*\n {2}The disk is full/);
    expect(run.output().trimEnd()).toMatch(/\nbin\nverify$/);
  });

  it('docker-release says that dist is not writable', async () => {
    const script = 'mount --bind "$0/dist" "$0/dist" && mount -o remount,bind,ro "$0/dist" && exec "$@"';
    const run = startRelease(workspace, {}, ['unshare', '--mount', 'sh', '-c', script, workspace.root]);
    expect(await run.exit, run.output()).toBe(1);
    expect(run.output()).toMatch(/error EROFS: .*\n {2}The file system is read-only/);
    expect((await stat(workspace.path('dist'))).isDirectory()).toBe(true);
  });
});

describe('docker-release on folders that are not what they seem', () => {
  const said = async (): Promise<string> => {
    const lines: string[] = [];
    const spy = vi.spyOn(console, 'error').mockImplementation((...parts) => {
      lines.push(parts.join(' '));
    });
    try {
      expect(await runExecutor()).toMatchObject({ success: false, failure: { code: expect.any(String) } });
      return lines.join('\n');
    } finally {
      spy.mockRestore();
    }
  };

  it.each(['dist', 'dist/oci'])('docker-release refuses %s as a link out of the workspace', async (name) => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'elsewhere-'));
    try {
      await cp(workspace.path('dist'), elsewhere, { recursive: true });
      await rm(workspace.path(name), { recursive: true, force: true });
      await symlink(elsewhere, workspace.path(name));
      const before = await treeOf(elsewhere);
      expect(await said()).toMatch(/error OUTPUT: .*Nothing was changed/s);
      expect(await treeOf(elsewhere)).toBe(before);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it('docker-release refuses a Dockerfile if the image would start nothing, and writes nothing', async () => {
    await writeFile(workspace.path('Dockerfile.release'), SAMPLE_DOCKERFILE.replace('"/app"]', '"/ap"]'));
    const before = await treeOf(workspace.root);
    expect(await said()).toContain('error IMAGE_INCOMPLETE: image for linux/amd64: starts "/ap"');
    expect(await treeOf(workspace.root)).toBe(before);
  });
});
