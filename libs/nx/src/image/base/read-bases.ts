import { join } from 'node:path';
import { OciError } from '@prebuilt/oci';
import type { Platform } from '../../artifacts/platform.ts';
import type { Dockerfile } from '../../dockerfile/instructions.ts';
import { CACHE_FOLDER, readLock } from '../../lock/lock.ts';
import { settleAll } from '../../process/settle-all.ts';
import { type ConnectionDependencies, withConnection } from '../../registry/connect.ts';
import { type BaseImage, baseReader } from './base-image.ts';
import { type BaseReference, pinnedBase } from './reference.ts';
import { openBaseStore } from './store.ts';

/** The base of each platform; none where the image starts from nothing. */
export type Bases = ReadonlyMap<Platform, BaseImage>;

/** How bases are read. */
export interface BaseReading extends ConnectionDependencies {
  /** Folders of blobs that may have what is wanted. */
  readonly folders?: readonly string[];
  readonly progress?: (line: string) => void;
}

/** Where bases are kept once they are fetched, in the workspace's cache: blobs under the names of their digests. */
export const BASE_CACHE = 'images/sha256';

/**
 * Reads the base that a Dockerfile starts from, for each platform: from disk where it is there, else from its registry.
 * Throws what `pinnedBase` and `BaseReader` throw; where the registry can't be reached the hint says what to do about it.
 */
export async function readBases(
  workspaceRoot: string,
  dockerfile: Pick<Dockerfile, 'from'>,
  platforms: readonly Platform[],
  reading: BaseReading = {},
): Promise<Bases> {
  if (dockerfile.from.image === 'scratch') return new Map();
  const pinned = pinnedBase(dockerfile, await readLock(workspaceRoot));
  return pinned === undefined ? new Map() : readPinned(workspaceRoot, pinned, platforms, reading);
}

/** Reads a pinned base as `readBases` does. */
export function readPinned(
  workspaceRoot: string,
  pinned: BaseReference,
  platforms: readonly Platform[],
  { folders = [], progress = console.error, ...dependencies }: BaseReading = {},
): Promise<Bases> {
  return withConnection([pinned], { rights: 'pull' }, dependencies, async ({ sourceOf }) => {
    const origin = sourceOf(pinned, progress);
    const cache = join(workspaceRoot, CACHE_FOLDER, BASE_CACHE);
    const base = baseReader(openBaseStore({ folders, cache, origin, progress }), pinned);
    const images = await settleAll(
      platforms.map(async (platform) => [platform, await base.read(platform)] as const),
    ).catch((error: unknown) => {
      throw unreachable(error, pinned);
    });
    return new Map(images);
  });
}

const NOT_THERE = new Set<OciError['code']>([
  'REGISTRY_UNAVAILABLE',
  'REGISTRY_UNAUTHORIZED',
  'REGISTRY_NOT_FOUND',
]);

function unreachable(error: unknown, { reference, registry }: BaseReference): unknown {
  if (!(error instanceof OciError) || !NOT_THERE.has(error.code)) return error;
  const hint =
    error.code === 'REGISTRY_UNAUTHORIZED'
      ? `Log in to read it: docker login ${registry}`
      : error.code === 'REGISTRY_NOT_FOUND'
        ? 'Is it still in the registry? Move the lock to what is there now: npx nx g @prebuilt/nx:lock --refresh'
        : `It is fetched once and kept in ${CACHE_FOLDER}: fetch it while the registry can be reached (npx nx g @prebuilt/nx:lock --fetch).`;
  return new OciError(error.code, `base ${reference}: ${error.message}`, {
    hint,
    cause: error,
    refusal: error.refusal,
  });
}
