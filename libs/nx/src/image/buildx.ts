import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BLOBS_FOLDER,
  compressionOf,
  type Descriptor,
  digestHex,
  type LayerThreads,
  type LayoutImage,
  platformName,
  readBlob,
  readImageLayout,
} from '@prebuilt/oci';
import { execa } from 'execa';
import { type Platform, platformParts } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import type { PlannedCommand } from '../executors/docker-release/plan.ts';
import { artifactChanged } from './daemonless.ts';
import type { ImagePlan } from './plan.ts';

/** Environment variables that would make buildx add to the image what is not in the plan. */
const NEUTRAL = { BUILDX_GIT_LABELS: '0', BUILDX_GIT_INFO: '0', BUILDX_NO_DEFAULT_ATTESTATIONS: '1' };

/**
 * Runs buildx in a folder and passes its lines on. Throws `BUILDER` with what it said where it fails, and the
 * signal's reason where it was stopped.
 */
export async function runBuildx(
  { file, args }: PlannedCommand,
  folder: string,
  signal: AbortSignal,
  line: (text: string) => void,
): Promise<void> {
  const child = execa(file, [...args], {
    cwd: folder,
    env: NEUTRAL,
    reject: false,
    stdin: 'ignore',
    all: true,
    cancelSignal: signal,
  });
  let last = '';
  for await (const text of child.iterable({ from: 'all' })) {
    if (text.startsWith('ERROR: ')) last = text;
    line(text);
  }
  const result = await child;
  if (!result.failed) return;
  signal.throwIfAborted();
  throw new PrebuiltError('BUILDER', `docker buildx build: ${last || result.shortMessage}`, {
    hint: /no space left/i.test(last)
      ? 'The disk is full: free some space (docker buildx prune) and run it again.'
      : 'Its output is above. --builder=daemonless needs no engine.',
    cause: result,
  });
}

/**
 * Takes the image of a layout that buildx wrote into a folder of blobs, after it has read it back on a thread: the
 * platform is the one asked for, and the files of all layers together are those of the plan, byte for byte. Throws
 * `BUILDER` or `ARTIFACT_CHANGED` where they are not.
 */
export async function adoptImage(
  layout: string,
  blobs: string,
  platform: Platform,
  plan: ImagePlan,
  threads: LayerThreads,
): Promise<Descriptor> {
  const [image, ...others] = (await readImageLayout(layout)).images;
  const found = image === undefined ? 'none' : platformName(image.platform);
  if (image === undefined || others.length > 0 || found !== platformName(platformParts(platform))) {
    throw new PrebuiltError('BUILDER', `buildx: expected one image of ${platform}, found ${found}`);
  }
  await compareFiles(layout, image, platform, plan, threads);
  const { descriptor, manifest } = image;
  for (const hex of new Set(
    [descriptor, manifest.config, ...manifest.layers].map((each) => digestHex(each.digest)),
  )) {
    await rename(join(layout, BLOBS_FOLDER, hex), join(blobs, hex));
  }
  return { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size };
}

async function compareFiles(
  layout: string,
  image: LayoutImage,
  platform: Platform,
  plan: ImagePlan,
  threads: LayerThreads,
): Promise<void> {
  const expected = new Map<string, string>();
  for (const { path, file } of plan.layers.flat()) {
    if (file !== undefined) expected.set(path, file.sha256);
  }
  const found = new Map<string, string>();
  for (const [index, layer] of image.manifest.layers.entries()) {
    const compression = compressionOf(layer.mediaType);
    if (compression === undefined) throw new Error(`layer of an unknown type ${layer.mediaType}`);
    const diffId = image.config.rootfs.diff_ids[index];
    const { entries } = await threads.read(layer.size, async () => readBlob(layout, layer), {
      compression,
      diffId,
    });
    for (const entry of entries) {
      if (entry.type !== 'directory') found.set(entry.path, entry.sha256 ?? entry.type);
    }
  }
  for (const path of new Set([...expected.keys(), ...found.keys()])) {
    const [want, have] = [expected.get(path), found.get(path)];
    if (want === undefined || have === undefined) {
      const what = have === undefined ? 'lacks' : 'has, and the plan has not,';
      throw new PrebuiltError('BUILDER', `buildx: the image of ${platform} ${what} /${path}`);
    }
    if (want !== have) throw artifactChanged(`buildx: /${path} in the image of ${platform}`, want, have);
  }
}
