import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { BLOBS_FOLDER, type Descriptor, digestHex, platformName, readImageLayout } from '@prebuilt/oci';
import { execa } from 'execa';
import { type Platform, platformParts } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import type { Command } from '../process/command.ts';

/** Environment variables that would make buildx add to the image what is not in the plan. */
const NEUTRAL = { BUILDX_GIT_LABELS: '0', BUILDX_GIT_INFO: '0', BUILDX_NO_DEFAULT_ATTESTATIONS: '1' };

/**
 * Runs buildx in a folder and passes its lines on. Throws `BUILDER` with what it said where it fails, and the
 * signal's reason where it was stopped.
 */
export async function runBuildx(
  { file, args }: Command,
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
 * Takes the one image of a layout that buildx wrote into a folder of blobs. What it holds is for `holdLayoutAgainstPlan` to say.
 * Throws `BUILDER` for another platform than the one asked for, or several.
 */
export async function adoptImage(layout: string, blobs: string, platform: Platform): Promise<Descriptor> {
  const [image, ...others] = (await readImageLayout(layout)).images;
  const found = image === undefined ? 'none' : platformName(image.platform);
  if (image === undefined || others.length > 0 || found !== platformName(platformParts(platform))) {
    throw new PrebuiltError('BUILDER', `buildx: expected one image of ${platform}, found ${found}`);
  }
  const { descriptor, manifest } = image;
  for (const hex of new Set(
    [descriptor, manifest.config, ...manifest.layers].map((each) => digestHex(each.digest)),
  )) {
    await rename(join(layout, BLOBS_FOLDER, hex), join(blobs, hex));
  }
  return { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size };
}
