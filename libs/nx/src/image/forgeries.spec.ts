import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, readImageLayout } from '@prebuilt/oci';
import { type FakeRegistry, sleepingClock, startFakeRegistry } from '@prebuilt/testing/registry';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { forgeImages, type ImageForgery } from '../../testing/forged-image.ts';
import {
  HONEST_LISTED,
  imageForgeries,
  LISTED_FORGERIES,
  LISTED_SAMPLE,
} from '../../testing/image-forgeries.ts';
import { publish } from '../../testing/publish.ts';
import { publishRelease } from '../../testing/publish-release.ts';
import { type PublishWorkspace, publishWorkspace } from '../../testing/publish-workspace.ts';
import { release } from '../../testing/release.ts';
import {
  type ReleaseWorkspace,
  releaseWorkspace,
  SAMPLE_DOCKERFILE,
} from '../../testing/release-workspace.ts';

const PLATFORM = 'linux/amd64';
// Not a multiple of a tar block, so that there is padding to forge.
const PROGRAM = Buffer.from('the program of this platform\n');

// A builder that returns the given layout.
const releaseBuilt = (workspace: ReleaseWorkspace, layout: string) =>
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

describe('docker-release', () => {
  let workspace: ReleaseWorkspace;
  let honest: string;

  beforeAll(async () => {
    workspace = await releaseWorkspace({
      dockerfile: SAMPLE_DOCKERFILE,
      platforms: [PLATFORM],
      executable: PROGRAM,
    });
    await release(workspace);
    honest = workspace.path('honest');
    await cp(workspace.path('dist/oci'), honest, { recursive: true });
  });
  beforeEach(() => rm(workspace.path('dist/oci'), { recursive: true, force: true }));
  afterAll(() => workspace.remove());

  it('docker-release accepts the planned image from a builder', async () => {
    const { image } = await releaseBuilt(workspace, honest);
    const [found] = (await readImageLayout(honest)).images;
    expect(image.images[0]?.digest).toBe(found?.descriptor.digest);
  });

  it.each(imageForgeries(PROGRAM).filter(({ publishedOnly }) => publishedOnly !== true))(
    'docker-release refuses a builder’s image that has $title, and reports it',
    async (forgery) => {
      const forged = workspace.path('forged');
      await rm(forged, { recursive: true, force: true });
      await cp(honest, forged, { recursive: true });
      await forgeImages(forged, forgery);
      await expect(releaseBuilt(workspace, forged)).rejects.toThrow(forgery.named);
      expect((await readdir(workspace.path('dist'))).filter((name) => name.includes('oci'))).toEqual([]);
    },
  );
});

describe('with listed files,', () => {
  let workspace: ReleaseWorkspace;
  let honest: string;

  beforeAll(async () => {
    workspace = await releaseWorkspace({
      ...LISTED_SAMPLE,
      platforms: [PLATFORM],
      executable: PROGRAM,
    });
    await release(workspace);
    honest = workspace.path('honest');
    await cp(workspace.path('dist/oci'), honest, { recursive: true });
  });
  beforeEach(() => rm(workspace.path('dist/oci'), { recursive: true, force: true }));
  afterAll(() => workspace.remove());

  const releaseForged = async (forgery: ImageForgery): Promise<unknown> => {
    const forged = workspace.path('forged');
    await rm(forged, { recursive: true, force: true });
    await cp(honest, forged, { recursive: true });
    await forgeImages(forged, forgery);
    return releaseBuilt(workspace, forged);
  };

  it('docker-release accepts the honest layer, whoever made it', async () => {
    await expect(releaseForged(HONEST_LISTED)).resolves.toBeDefined();
  });

  it.each(LISTED_FORGERIES)(
    'docker-release refuses a builder’s image with listed files that has $title, and reports it',
    async (forgery) => {
      await expect(releaseForged(forgery)).rejects.toThrow(forgery.named);
      expect((await readdir(workspace.path('dist'))).filter((name) => name.includes('oci'))).toEqual([]);
    },
  );

  describe('docker-publish', () => {
    let registry: FakeRegistry;
    beforeEach(async () => {
      registry = await startFakeRegistry();
    });
    afterEach(() => registry.close());

    const publishForged = async (forgery: ImageForgery) => {
      await rm(workspace.path('dist/oci'), { recursive: true, force: true });
      await cp(honest, workspace.path('dist/oci'), { recursive: true });
      await forgeImages(workspace.path('dist/oci'), forgery);
      return publishRelease(workspace, `${registry.host}/owner/app`);
    };

    it('docker-publish publishes the honest layer, whoever made it', async () => {
      const { success, output } = await publishForged(HONEST_LISTED);
      expect(success, output).toBe(true);
      expect(registry.tags.size).toBeGreaterThan(0);
    });

    it.each(LISTED_FORGERIES)(
      'docker-publish moves no tag to an image with listed files that has $title, and reports it',
      async (forgery) => {
        const { success, output } = await publishForged(forgery);
        expect(success).toBe(false);
        expect(output).toMatch(forgery.named);
        expect(registry.tags.size).toBe(0);
      },
    );
  });
});

describe('docker-publish', () => {
  let workspace: PublishWorkspace;
  let honest: string;
  let program: Buffer;
  let registry: FakeRegistry;

  beforeAll(async () => {
    workspace = await publishWorkspace({ version: '1.2.3', executableSize: 1001 });
    honest = join(workspace.root, 'honest');
    await cp(join(workspace.root, 'dist/oci'), honest, { recursive: true });
    program = await readFile(join(workspace.root, 'dist/bin/app-linux-amd64'));
  });
  beforeEach(async () => {
    registry = await startFakeRegistry();
    await rm(join(workspace.root, 'dist/oci'), { recursive: true });
    await cp(honest, join(workspace.root, 'dist/oci'), { recursive: true });
  });
  afterEach(() => registry.close());
  afterAll(() => workspace.remove());

  const run = () => publish(workspace, `${registry.host}/owner/app`, {}, { clock: sleepingClock() });

  it('docker-publish publishes the planned image', async () => {
    expect(await run()).toMatchObject({ success: true });
    expect(registry.tags.size).toBeGreaterThan(0);
  });

  // The layer forgeries are recreated for this workspace's program.
  it.each(imageForgeries(PROGRAM).map(({ title, named }, at) => ({ title, named, at })))(
    'docker-publish moves no tag to an image that has $title, and reports it',
    async ({ named, at }) => {
      const forgery = imageForgeries(program)[at];
      if (forgery === undefined) throw new Error(`forgery ${at} is gone`);
      const before = digestOf(await readFile(join(workspace.root, 'dist/oci/index.json')));
      await forgeImages(join(workspace.root, 'dist/oci'), forgery, PLATFORM);
      expect(digestOf(await readFile(join(workspace.root, 'dist/oci/index.json')))).not.toBe(before);
      const { success, output } = await run();
      expect(success).toBe(false);
      expect(output).toMatch(named);
      expect(registry.tags.size).toBe(0);
    },
  );
});
