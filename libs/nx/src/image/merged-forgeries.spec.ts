import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { readImageLayout, writeIndexFile } from '@prebuilt/oci';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/testing/registry';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { forgeImages, type ImageForgery } from '../../testing/forged-image.ts';
import { publishRelease } from '../../testing/publish-release.ts';
import { executed, HONEST_CHANGES, HONEST_COUNT, reducedForgeries } from '../../testing/reduced-forgeries.ts';
import { release } from '../../testing/release.ts';
import {
  type ReleaseWorkspace,
  releaseWorkspace,
  SAMPLE_DOCKERFILE,
} from '../../testing/release-workspace.ts';
import { parsePublishRecord } from '../artifacts/publish-record.ts';
import { type ReleaseFacts, readReleaseFacts } from '../executors/docker-release/facts.ts';
import type { DockerReleaseOptions } from '../executors/docker-release/options.ts';
import { type DockerReleasePlan, planDockerRelease } from '../executors/docker-release/plan.ts';
import { runDockerRelease } from '../executors/docker-release/run.ts';

const PLATFORM = 'linux/amd64';
const PROGRAM = Buffer.from('the program of this platform\n');
const LIBRARY = 'libc';
const FORGERIES = reducedForgeries(PROGRAM, LIBRARY);
const HONEST = executed(HONEST_CHANGES);
const BUILDX = { usable: true, name: 'test', driver: 'test', buildx: 'v1', buildkit: 'v1.0' } as const;

let workspace: ReleaseWorkspace;
/** A layout with the same image, but without the command. */
let copied: string;
let facts: ReleaseFacts;
let plan: DockerReleasePlan;
/** The annotations that docker-release writes for the honest image. */
let record: Readonly<Record<string, string>>;
beforeAll(async () => {
  workspace = await releaseWorkspace({
    dockerfile: `${SAMPLE_DOCKERFILE}RUN /tool\n`,
    platforms: [PLATFORM],
    executable: PROGRAM,
    runtime: { 'lib/libc.so.6': { content: LIBRARY, mode: '0755' } },
  });
  await release(workspace, {}, { dockerfile: Buffer.from(SAMPLE_DOCKERFILE) });
  copied = workspace.path('copied');
  await cp(workspace.path('dist/oci'), copied, { recursive: true });
  const asked = workspace.options();
  facts = { ...(await readReleaseFacts(asked, workspace.root)), builder: BUILDX };
  plan = planDockerRelease({ ...asked, builder: 'buildx' }, workspace.root, facts);
  await releaseForged(HONEST);
  record = (await readImageLayout(workspace.path('dist/oci'))).root.annotations ?? {};
});
beforeEach(() => rm(workspace.path('dist/oci'), { recursive: true, force: true }));
afterAll(() => workspace.remove());

/** Runs docker-release with a builder that returns the forged image. */
async function releaseForged(forgery: ImageForgery) {
  const forged = workspace.path('forged');
  await rm(forged, { recursive: true, force: true });
  await cp(copied, forged, { recursive: true });
  await forgeImages(forged, forgery);
  const command = { file: 'cp', args: ['-r', `${forged}/.`, 'layout/linux-amd64'] };
  const platforms = plan.platforms.map((each) => ({ ...each, command }));
  const dockerfile = await readFile(workspace.path('Dockerfile.release'));
  const silent = { line: () => undefined, layer: () => undefined };
  return runDockerRelease({ ...plan, platforms }, { dockerfile, bases: new Map() }, silent);
}

describe('docker-release of an image with commands', () => {
  it('docker-release of an image with commands accepts what a command may do, and reports what it did not compare', async () => {
    const { images } = await releaseForged(HONEST);
    expect(images[0]?.reducedProof).toEqual({
      because: ['Dockerfile.release:8: RUN'],
      unprovenFiles: HONEST_COUNT,
      starts: { path: '/app', proven: true },
    });
    const layout = await readImageLayout(workspace.path('dist/oci'));
    expect(layout.root.annotations).toMatchObject({
      'dev.prebuilt.proof': 'reduced',
      'dev.prebuilt.image.digest': layout.root.digest,
    });
  });

  it.each(FORGERIES)(
    'docker-release of an image with commands refuses one that has $title, and reports it',
    async (forgery) => {
      await expect(releaseForged(forgery)).rejects.toThrow(forgery.named);
      expect((await readdir(workspace.path('dist'))).filter((name) => name.includes('oci'))).toEqual([]);
    },
  );

  it.each<[string, Partial<DockerReleaseOptions>, RegExp]>([
    [
      'a full proof',
      { builder: 'buildx', requireFullProof: true },
      /^Dockerfile\.release:8: RUN: --require-full-proof expects a/,
    ],
    ['no engine', { builder: 'daemonless' }, /^Dockerfile\.release:8: RUN: needs buildx/],
  ])('docker-release of an image with commands is refused if %s is requested', (_, options, message) => {
    expect(() => planDockerRelease(workspace.options(options), workspace.root, facts)).toThrow(message);
  });
});

describe('docker-publish of an image with commands', () => {
  let registry: FakeRegistry;
  beforeEach(async () => {
    registry = await startFakeRegistry();
  });
  afterEach(() => registry.close());

  const run = (more = {}) => publishRelease(workspace, `${registry.host}/owner/app`, more);
  /** Replaces docker-release's image with a forged one; optionally, the forger also updates the layout's record. */
  const forge = async (forgery: ImageForgery, follows: boolean): Promise<void> => {
    const folder = workspace.path('dist/oci');
    await cp(copied, folder, { recursive: true });
    const forged = await forgeImages(folder, forgery);
    const digest = follows ? { 'dev.prebuilt.image.digest': forged.digest } : {};
    await writeIndexFile(folder, forged, { ...record, ...digest });
  };

  it('docker-publish of an image with commands publishes it, and records what was not compared', async () => {
    await forge(HONEST, false);
    const { success, output } = await run();
    expect(output).toContain('reduced proof, because of Dockerfile.release:8: RUN');
    expect(success, output).toBe(true);
    const record = parsePublishRecord(
      await readFile(workspace.path('dist/publish/record.json'), 'utf8'),
      'record',
    );
    expect(record.images[0]?.platforms[0]?.reducedProof?.unprovenFiles).toBe(HONEST_COUNT);
  });

  it.each(FORGERIES)(
    'docker-publish of an image with commands moves no tag to one that has $title, and reports it',
    async (forgery) => {
      await forge(forgery, true);
      const { success, output } = await run();
      expect(success).toBe(false);
      expect(output).toMatch(forgery.named);
      expect(registry.tags.size).toBe(0);
    },
  );

  it('docker-publish of an image with commands moves no tag if unverified content differs from the record', async () => {
    await forge(executed([...HONEST_CHANGES, { path: 'zzz', content: 'more' }]), false);
    const { success, output } = await run();
    expect(success).toBe(false);
    expect(output).toMatch(/dev\.prebuilt\.image\.digest/);
    expect(registry.tags.size).toBe(0);
  });

  it('docker-publish of an image with commands moves no tag if the registry returns different unverified content', async () => {
    await forge(HONEST, false);
    const last = (await readImageLayout(workspace.path('dist/oci'))).images[0]?.manifest.layers.at(-1);
    expect(await run()).toMatchObject({ success: true });
    registry.tags.clear();
    registry.behave({
      lie: (path, content) => {
        if (!path.includes(`${last?.digest}`)) return content;
        const other = Buffer.from(content);
        other.writeUInt8(other.readUInt8(20) ^ 1, 20);
        return other;
      },
    });
    const { success, output } = await run();
    expect(success).toBe(false);
    expect(output).toContain(`${last?.digest}`);
    expect(registry.tags.size).toBe(0);
  });

  it('docker-publish of an image with commands is refused if a full proof is required', async () => {
    await forge(HONEST, false);
    const { success, output } = await run({ requireFullProof: true });
    expect(success).toBe(false);
    expect(output).toContain(
      'error PROOF_REDUCED: Dockerfile.release:8: RUN: --require-full-proof expects a Dockerfile',
    );
    expect(registry.tags.size).toBe(0);
  });
});
