import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sampleManifest } from '../../../testing/sample-manifest.ts';
import { formatManifest, MANIFEST_FILE } from '../../artifacts/manifest.ts';
import { DEFAULT_PLATFORMS } from '../../artifacts/platform.ts';
import { TOOLCHAINS } from '../../toolchains/index.ts';
import { platformsOf, readBuildFacts } from './facts.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'build-facts-'));
  await mkdir(join(root, 'dist/bin'), { recursive: true });
});
afterEach(() => rm(root, { recursive: true }));

it.each([
  ['the program of the existing build', formatManifest(sampleManifest), sampleManifest.name],
  ['no program if the manifest can’t be read', '{', undefined],
])('the facts of a build name %s', async (_, manifest, former) => {
  await writeFile(join(root, 'dist/bin', MANIFEST_FILE), manifest);
  expect((await readBuildFacts({ root }, { outputPath: 'dist/bin' })).former).toBe(former);
});

it('the facts of a build name no program if nothing was built', async () => {
  expect((await readBuildFacts({ root }, { outputPath: 'dist/bin' })).former).toBeUndefined();
});

it.each(TOOLCHAINS.map(({ name }) => name))('%s compiles for the default platforms', (toolchain) => {
  expect(platformsOf({}, toolchain)).toEqual(DEFAULT_PLATFORMS);
});
