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

/** The base for each platform; empty for an image from scratch. */
export type Bases = ReadonlyMap<Platform, BaseImage>;

/** How to read bases. */
export interface BaseReading extends ConnectionDependencies {
  /** Blob folders that may contain the base. */
  readonly folders?: readonly string[];
  readonly progress?: (line: string) => void;
}

/** The folder for fetched bases in the workspace's cache, as blobs named by digest. */
export const BASE_CACHE = 'images/sha256';

/**
 * Reads a Dockerfile's base for each platform, from disk if possible, otherwise from its registry. Throws the errors of
 * `pinnedBase` and `BaseReader`, with a hint if the registry is unreachable.
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

/** Reads a pinned base like `readBases`. */
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
      ? `Log in: docker login ${registry}`
      : error.code === 'REGISTRY_NOT_FOUND'
        ? 'If it was removed from the registry, update the lock: npx nx g @prebuilt/nx:lock --refresh'
        : `It is cached in ${CACHE_FOLDER} after the first download: fetch it while the registry is reachable (npx nx g @prebuilt/nx:lock --fetch).`;
  return new OciError(error.code, `base ${reference}: ${error.message}`, {
    hint,
    cause: error,
    refusal: error.refusal,
  });
}
