import { cp, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BLOBS_FOLDER, digestHex, digestOf, MEDIA_TYPES, readImageLayout } from '@prebuilt/oci';
import {
  type FakeRegistry,
  type Fault,
  type Step,
  sleepingClock,
  startFakeRegistry,
  startFaultProxy,
} from '@prebuilt/testing/registry';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { edited, forgeImages, type ImageForgery } from '../../../testing/forged-image.ts';
import { publish } from '../../../testing/publish.ts';
import { publishOptions } from '../../../testing/publish-workspace.ts';
import { release } from '../../../testing/release.ts';
import { type ReleaseWorkspace, releaseWorkspace } from '../../../testing/release-workspace.ts';
import { type MadeBase, makeBase, putBase, type SampleBase } from '../../../testing/sample-base.ts';
import { PUBLISH_RECORD_FILE } from '../../artifacts/publish-record.ts';
import type { DockerPublishOptions } from '../../executors/docker-publish/options.ts';
import { formatRelease } from '../../executors/docker-release/show.ts';

const PLATFORM = 'linux/amd64';
const BASE: SampleBase = {
  layers: [
    [{ path: 'etc/' }, { path: 'etc/passwd', content: 'nonroot:x:65532:65532::/:/x\n' }],
    [{ path: 'lib', target: 'usr/lib' }, { path: 'usr/' }, { path: 'usr/lib/' }],
  ],
  config: { User: 'nonroot', Env: ['PATH=/usr/bin'], Entrypoint: ['/old'], Cmd: ['arguments'] },
};
const REPOSITORY = 'bases/static';
const above = (host: string, { digest }: Pick<MadeBase, 'digest'>): string =>
  `FROM ${host}/${REPOSITORY}@${digest}\nCOPY --chmod=755 app-linux-amd64 /lib/app\nENTRYPOINT ["/lib/app"]\n`;
const newWorkspace = (dockerfile: string): Promise<ReleaseWorkspace> =>
  releaseWorkspace({ dockerfile, platforms: [PLATFORM], runtime: {} });

let registry: FakeRegistry;
let base: MadeBase;
beforeAll(() => {
  // Each release listens for signals.
  process.setMaxListeners(50);
});
beforeEach(async () => {
  registry = await startFakeRegistry();
  base = makeBase(BASE);
  putBase(registry, REPOSITORY, base, '1');
});
afterEach(() => registry.close());

const impatient = { clock: sleepingClock(), idleMs: 200 };

describe('docker-release with a base', () => {
  let workspace: ReleaseWorkspace;
  beforeEach(async () => {
    workspace = await newWorkspace(above(registry.host, base));
  });
  afterEach(() => workspace.remove());

  it("uses the base's layers byte for byte, and changes its configuration", async () => {
    await release(workspace);
    const [image] = (await readImageLayout(workspace.path('dist/oci'))).images;
    const layers = base.blobs.slice(0, 2).map(({ descriptor }) => descriptor);
    expect(image?.manifest.layers.slice(0, 2)).toEqual(layers);
    expect(image?.manifest.layers).toHaveLength(3);
    expect(image?.config.config).toMatchObject({ User: 'nonroot', Entrypoint: ['/lib/app'] });
    expect(image?.config.config).not.toHaveProperty('Cmd');
  });

  it('asks the registry once, and checks what it has cached', async () => {
    await release(workspace);
    await registry.close();
    await expect(release(workspace)).resolves.toMatchObject({ image: { builder: 'daemonless' } });
    registry = await startFakeRegistry();
  });

  it('fetches a layer once that platforms share', async () => {
    const [from, ...rest] = above(registry.host, base).replace('-amd64', '-$TARGETARCH').split('\n');
    const both = await releaseWorkspace({
      dockerfile: [from, 'ARG TARGETARCH', ...rest].join('\n'),
      platforms: [PLATFORM, 'linux/arm64'],
      runtime: {},
    });
    onTestFinished(() => both.remove());
    const lines: string[] = [];
    await release(both, {}, { reading: { progress: (line) => lines.push(line) } });
    const { images } = await readImageLayout(both.path('dist/oci'));
    const layers = base.blobs.slice(0, 2).map(({ descriptor }) => descriptor);
    expect(images.map(({ manifest }) => manifest.layers.slice(0, 2))).toEqual([layers, layers]);
    const fetched = registry.log.filter((line) => layers.some(({ digest }) => line.endsWith(digest)));
    expect(fetched).toHaveLength(layers.length);
    expect(lines).toHaveLength(layers.length);
  });

  it('fetches blobs again that were changed on disk, and fails if it cannot', async () => {
    const { image } = await release(workspace);
    expect(formatRelease(image)).toContain(
      `${PLATFORM}: 2 layers come from the base ${registry.host}/${REPOSITORY}@${base.digest} and were compared by digest only: their content was not read`,
    );
    const cache = workspace.path('.cache/prebuilt/images/sha256');
    const [layer] = base.blobs;
    const path = join(cache, digestHex(layer?.descriptor.digest ?? digestOf('')));
    const damaged = Buffer.from(layer?.bytes ?? []);
    damaged[20] = (damaged[20] ?? 0) ^ 1;
    await writeFile(path, damaged);
    expect((await release(workspace)).image.digest).toBe(image.digest);
    expect(digestOf(await readFile(path))).toBe(layer?.descriptor.digest);
    await writeFile(path, damaged);
    await registry.close();
    await expect(release(workspace, {}, { reading: impatient })).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      hint: expect.stringContaining('--fetch'),
    });
    registry = await startFakeRegistry();
  });

  it('removes what a killed process left in the cache, but nothing that may still be written', async () => {
    const cache = workspace.path('.cache/prebuilt/images/sha256');
    await mkdir(cache, { recursive: true });
    for (const [name, minutes] of [
      ['.fetch-running', 50],
      ['.fetch-killed', 70],
    ] as const) {
      await writeFile(join(cache, name), 'half of a layer');
      const then = new Date(Date.now() - minutes * 60_000);
      await utimes(join(cache, name), then, then);
    }
    await release(workspace);
    expect((await readdir(cache)).filter((name) => name.startsWith('.'))).toEqual(['.fetch-running']);
  });

  it('uses the digest of a tag from the lock, whatever the tag points to now', async () => {
    const tagged = `${registry.host}/${REPOSITORY}:1`;
    await writeFile(workspace.path('Dockerfile.release'), above(registry.host, base).replace(/@\S+/, ':1'));
    await expect(release(workspace)).rejects.toMatchObject({
      code: 'LOCKFILE',
      message: expect.stringContaining(`the digest of ${tagged}`),
    });
    const lock = { lockVersion: 1, images: { [tagged]: base.digest } };
    await writeFile(workspace.path('prebuilt.lock.json'), JSON.stringify(lock));
    registry.tags.set(`${REPOSITORY}:1`, digestOf('another'));
    const { plan } = await release(workspace);
    expect(plan.platforms[0]?.image.base?.reference).toBe(`${tagged}@${base.digest}`);
  });

  it('reads a private base with the machine’s credentials', async () => {
    registry.behave({ auth: { scheme: 'bearer', username: 'me', password: 'secret' } });
    await expect(release(workspace, {}, { reading: { environment: {} } })).rejects.toMatchObject({
      code: 'REGISTRY_UNAUTHORIZED',
      hint: `Log in: docker login ${registry.host}`,
    });
    const auth = Buffer.from('me:secret').toString('base64');
    await mkdir(workspace.path('docker'));
    await writeFile(
      workspace.path('docker/config.json'),
      JSON.stringify({ auths: { [registry.host]: { auth } } }),
    );
    const environment = { DOCKER_CONFIG: workspace.path('docker') };
    await expect(release(workspace, {}, { reading: { environment } })).resolves.toBeDefined();
  });

  it.each<readonly [string, SampleBase, string, RegExp]>([
    [
      'of Windows',
      { ...BASE, platforms: [{ os: 'windows', architecture: 'amd64' }] },
      'REGISTRY_NOT_FOUND',
      /windows\/amd64/,
    ],
    [
      'for Windows, without an index',
      { ...BASE, single: true, platforms: [{ os: 'windows', architecture: 'amd64' }] },
      'BASE_IMAGE',
      /expected an image for linux\/amd64, found one for windows\/amd64/,
    ],
    [
      'for another platform, without an index',
      { ...BASE, single: true, platforms: [{ os: 'linux', architecture: 's390x' }] },
      'BASE_IMAGE',
      /expected an image for linux\/amd64, found one for linux\/s390x/,
    ],
    [
      'for a newer processor, without an index',
      { ...BASE, single: true, platforms: [{ os: 'linux', architecture: 'amd64', variant: 'v3' }] },
      'BASE_IMAGE',
      /expected an image for linux\/amd64, found one for linux\/amd64\/v3/,
    ],
    ['with triggers', { ...BASE, config: { OnBuild: ['RUN make'] } }, 'BASE_IMAGE', /ONBUILD RUN make/],
    [
      'with triggers that contain terminal and log commands',
      { ...BASE, config: { OnBuild: ['RUN \u001b[2J\n::stop-commands::x'] } },
      'BASE_IMAGE',
      /^\P{Cc}*ONBUILD RUN\P{Cc}*$/u,
    ],
    [
      'with layers that do not match its configuration',
      { ...BASE, more: { rootfs: { type: 'layers', diff_ids: [digestOf('a'), digestOf('b')] } } },
      'DIGEST_MISMATCH',
      /expected the diffID/,
    ],
    [
      'with a path outside its root',
      { layers: [[{ path: '../x', content: 'x' }]] },
      'INVALID_LAYER',
      /leaves the image's root/,
    ],
    [
      'with a loop of links',
      { layers: [[{ path: 'lib', target: 'lib' }]] },
      'DOCKERFILE_COPY',
      /part of a loop/,
    ],
    [
      'with paths that contain terminal commands',
      {
        layers: [
          [
            { path: 'lib', target: 'x\u001b[2J' },
            { path: 'x\u001b[2J', target: 'lib' },
          ],
        ],
      },
      'DOCKERFILE_COPY',
      /^\P{Cc}*\/x \[2J is part of a loop of links$/u,
    ],
  ])('refuses a base %s', async (_, sample, code, message) => {
    const wrong = makeBase(sample);
    putBase(registry, REPOSITORY, wrong);
    await writeFile(workspace.path('Dockerfile.release'), above(registry.host, wrong));
    await expect(release(workspace)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(await readdir(workspace.path('dist'))).not.toContain('oci');
  });
});

const DIES = /after 6 tries|did not finish within/;

describe('a fault while a base is read', () => {
  it.each<readonly [Fault, Step, string, RegExp]>([
    ['truncated-body', 'blob GET', 'REGISTRY_UNAVAILABLE', DIES],
    ['truncated-body', 'manifest GET', 'REGISTRY_UNAVAILABLE', DIES],
    ['changed-byte', 'blob GET', 'DIGEST_MISMATCH', /expected content with that digest/],
    ['changed-byte', 'manifest GET', 'DIGEST_MISMATCH', /expected content with that digest/],
    ['endless-body', 'blob GET', 'SIZE_MISMATCH', /found more/],
    ['stalled-body', 'blob GET', 'REGISTRY_UNAVAILABLE', DIES],
    ['status-429', 'blob GET', 'REGISTRY_UNAVAILABLE', /429/],
    ['status-429', 'manifest GET', 'REGISTRY_UNAVAILABLE', /429/],
    ['status-503', 'blob GET', 'REGISTRY_UNAVAILABLE', /503/],
    ['reset-in-response', 'blob GET', 'REGISTRY_UNAVAILABLE', DIES],
    ['refused', 'manifest GET', 'REGISTRY_UNAVAILABLE', DIES],
  ])(
    '%s of every %s fails with %s and keeps nothing damaged; a single temporary one does no harm',
    async (fault, step, code, message) => {
      const proxy = await startFaultProxy(registry.host);
      const workspace = await newWorkspace(above(proxy.host, base));
      try {
        proxy.inject((at) => (at === step ? fault : undefined));
        const run = () => release(workspace, {}, { reading: impatient });
        await expect(run()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
        expect(proxy.met).toBeGreaterThan(0);
        const kept = await readdir(workspace.path('.cache/prebuilt/images/sha256')).catch(() => []);
        for (const name of kept) {
          const bytes = await readFile(workspace.path('.cache/prebuilt/images/sha256', name));
          expect(digestHex(digestOf(bytes))).toBe(name);
        }
        proxy.inject((at, nth) => (at === step && nth === 1 ? fault : undefined));
        if (code === 'REGISTRY_UNAVAILABLE') await expect(run()).resolves.toBeDefined();
        else await expect(run()).rejects.toMatchObject({ code });
      } finally {
        await workspace.remove();
        await proxy.close();
      }
    },
  );

  it('a base missing in its registry is reported with a hint', async () => {
    const workspace = await newWorkspace(above(registry.host, { digest: digestOf('gone') }));
    await expect(release(workspace, {}, { reading: impatient })).rejects.toMatchObject({
      code: 'REGISTRY_NOT_FOUND',
      hint: expect.stringContaining('--refresh'),
    });
    await workspace.remove();
  });
});

const swapped = (layers: Parameters<NonNullable<ImageForgery['layers']>>[0]) => {
  const [first, ...rest] = layers;
  // The same tar file, compressed to different bytes, so the diffID doesn't change.
  return first === undefined
    ? layers
    : [
        {
          ...first,
          bytes: Buffer.concat([first.bytes.subarray(0, 4), Buffer.alloc(4, 1), first.bytes.subarray(8)]),
        },
        ...rest,
      ];
};
const FORGERIES: readonly (ImageForgery & {
  readonly title: string;
  readonly named: RegExp;
  readonly afterBuildx: 'refused' | 'replaced';
})[] = [
  {
    title: 'a base layer with different bytes, but the same diffID',
    layers: swapped,
    named: /manifest\.layers\[0\] \(of the base\)/,
    afterBuildx: 'replaced',
  },
  {
    title: 'another layer instead of a base layer',
    layers: ([, second, ...rest]) => (second === undefined ? [] : [second, second, ...rest]),
    named: /manifest\.layers\[0\] \(of the base\)/,
    afterBuildx: 'replaced',
  },
  {
    title: 'an additional layer between the base and its own layers',
    layers: ([first, second, ...rest]) =>
      first === undefined || second === undefined ? [] : [first, second, first, ...rest],
    named: /3 layers.*4 layers/,
    afterBuildx: 'refused',
  },
  {
    title: 'a missing base layer',
    layers: ([, ...rest]) => rest,
    named: /3 layers.*2 layers/,
    afterBuildx: 'refused',
  },
  {
    title: 'an environment variable from neither the base nor the Dockerfile',
    config: edited((config) => config.config.Env.push('LD_PRELOAD=/x')),
    named: /config\.Env/,
    afterBuildx: 'refused',
  },
  {
    title: "a user other than the base's",
    config: edited((config) => {
      config.config.User = 'root';
    }),
    named: /config\.User/,
    afterBuildx: 'refused',
  },
  {
    title: "the base's arguments after another entrypoint",
    config: edited((config) => {
      config.config.Cmd = ['arguments'];
    }),
    named: /config\.Cmd/,
    afterBuildx: 'refused',
  },
  {
    title: "a changed step in the base's history",
    config: edited((config) => {
      config.history[0].created_by = 'RUN forged';
    }),
    named: /history\[0\]/,
    afterBuildx: 'replaced',
  },
];

describe('a forged image with a base', () => {
  let shared: FakeRegistry;
  let workspace: ReleaseWorkspace;
  let honest: string;
  let honestDigest: string;
  const target = () => ({
    root: workspace.root,
    environment: { RELEASE_VERSION: '1.2.3', DOCKER_CONFIG: workspace.path('none') },
    options: (image: string, more: Partial<DockerPublishOptions> = {}) =>
      publishOptions(image, { tagLatest: 'never', ...more }),
  });

  beforeAll(async () => {
    shared = await startFakeRegistry();
    const made = makeBase(BASE);
    putBase(shared, REPOSITORY, made);
    workspace = await newWorkspace(above(shared.host, made));
    honestDigest = (await release(workspace)).image.digest;
    honest = workspace.path('honest');
    await cp(workspace.path('dist/oci'), honest, { recursive: true });
  });
  beforeEach(async () => {
    await rm(workspace.path('dist/oci'), { recursive: true, force: true });
    await rm(workspace.path('forged'), { recursive: true, force: true });
  });
  afterAll(async () => {
    await workspace.remove();
    await shared.close();
  });

  // A builder that returns the given layout.
  const releaseBuilt = (layout: string) =>
    release(
      workspace,
      {},
      {
        plan: (plan) => ({
          ...plan,
          builder: 'buildx',
          platforms: plan.platforms.map((each) => ({
            ...each,
            command: { file: 'cp', args: ['-r', `${layout}/.`, 'layout/linux-amd64'] },
          })),
        }),
      },
    );

  it('the honest image with a base is accepted from a builder and published', async () => {
    expect((await releaseBuilt(honest)).image.digest).toBe(honestDigest);
    const result = await publish(target(), `${shared.host}/acme/honest`);
    expect(result.success, result.output).toBe(true);
    expect(shared.log).toContain(
      `GET /v2/acme/honest/blobs/${(await readImageLayout(honest)).images[0]?.manifest.layers[0]?.digest}`,
    );
  });

  it.each(FORGERIES)(
    'a forged image with a base is not accepted from a builder: $title',
    async ({ named, afterBuildx, ...forgery }) => {
      const forged = workspace.path('forged');
      await cp(honest, forged, { recursive: true });
      await forgeImages(forged, forgery);
      if (afterBuildx === 'refused') await expect(releaseBuilt(forged)).rejects.toThrow(named);
      // Nothing of the base is taken from a builder.
      else expect((await releaseBuilt(forged)).image.digest).toBe(honestDigest);
    },
  );

  it.each(FORGERIES)(
    'a forged image with a base is not published: $title',
    async ({ title, named, ...forgery }) => {
      await cp(honest, workspace.path('dist/oci'), { recursive: true });
      await forgeImages(workspace.path('dist/oci'), forgery);
      const repository = `acme/${digestHex(digestOf(title)).slice(0, 8)}`;
      const result = await publish(target(), `${shared.host}/${repository}`);
      expect(result.success).toBe(false);
      expect(result.output).toMatch(named);
      expect([...shared.tags.keys()].filter((tag) => tag.startsWith(`${repository}:`))).toEqual([]);
    },
  );

  it.each([
    [
      'returns different content for a base layer',
      'blobs',
      /expected content with that digest|SIZE_MISMATCH/,
    ],
  ])('an image with a base is not published if the registry %s', async (_, kind, message) => {
    await cp(honest, workspace.path('dist/oci'), { recursive: true });
    const [layer] = (await readImageLayout(honest)).images[0]?.manifest.layers ?? [];
    shared.behave({
      lie: (path, content) => {
        if (!path.endsWith(`${kind}/${layer?.digest}`)) return content;
        const changed = Buffer.from(content);
        changed[9] = (changed[9] ?? 0) ^ 1;
        return changed;
      },
    });
    const result = await publish(target(), `${shared.host}/acme/lied`);
    shared.behave({ lie: (_path, content) => content });
    expect(result.success).toBe(false);
    expect(result.output).toMatch(message);
    expect([...shared.tags.keys()].filter((tag) => tag.startsWith('acme/lied:'))).toEqual([]);
  });

  it('publishing an image with a base mounts the base’s layers in the registry, and sends only its own', async () => {
    await cp(honest, workspace.path('dist/oci'), { recursive: true });
    const first = await publish(target(), `${shared.host}/acme/shared`, { json: true });
    expect(first.success, first.output).toBe(true);
    const [image] = (await readImageLayout(honest)).images;
    const layers = image?.manifest.layers ?? [];
    const mounts = /^POST \/v2\/acme\/shared\/.*[?&]from=bases(?:%2F|\/)static/;
    const mounted = shared.targets.filter((each) => mounts.test(each));
    expect(mounted).toHaveLength(2);
    const { images } = JSON.parse(
      await readFile(workspace.path('dist/publish', PUBLISH_RECORD_FILE), 'utf8'),
    );
    const own = (layers[2]?.size ?? 0) + (image?.manifest.config.size ?? 0);
    expect(images[0].bytesSent).toBe(own);
    expect(layers[2]?.mediaType).toBe(MEDIA_TYPES.layerGzip);
  });

  it('publishing an image with a base does not need the base’s registry, since the layout has all documents', async () => {
    await cp(honest, workspace.path('dist/oci'), { recursive: true });
    await rm(workspace.path('.cache'), { recursive: true });
    const asked = shared.log.length;
    const result = await publish(target(), `${shared.host}/acme/alone`);
    expect(result.success, result.output).toBe(true);
    expect(shared.log.slice(asked).filter((each) => each.includes(`/v2/${REPOSITORY}/`))).toEqual([]);
    const blobs = await readdir(join(honest, BLOBS_FOLDER));
    expect(blobs).toContain(
      digestHex(/@(\S+)/.exec(await readFile(workspace.path('Dockerfile.release'), 'utf8'))?.[1] as never),
    );
  });
});
