import type { Lock } from './lock.ts';

/** The facts needed to find a locked archive on any mirror. */
export interface WantedArchive {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly path: string;
}

const ATTEMPT_MS = 30_000;

const MIRRORS: Readonly<Record<NonNullable<Lock['distribution']>, readonly string[]>> = {
  // Debian's snapshot archive has everything that a mirror has.
  debian: [],
  ubuntu: ['https://archive.ubuntu.com/ubuntu', 'https://ports.ubuntu.com/ubuntu-ports'],
};

// Keeps every version ever published, whereas mirrors drop old ones.
const SNAPSHOT = 'https://snapshot.debian.org';

/**
 * Downloads an archive from the distribution's public mirrors by its path, or else from Debian's snapshot archive. The
 * result isn't trusted: the caller must check its SHA-256. Returns the reasons if no source has it.
 * https://salsa.debian.org/snapshot-team/snapshot/raw/master/API
 */
export async function downloadArchive(
  wanted: WantedArchive,
  distribution: NonNullable<Lock['distribution']>,
  options: { readonly fetch?: typeof fetch; readonly signal?: AbortSignal } = {},
): Promise<Uint8Array | readonly string[]> {
  const reasons: string[] = [];
  const get = async (url: string): Promise<Response | undefined> => {
    try {
      const timeout = AbortSignal.timeout(ATTEMPT_MS);
      const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
      const response = await (options.fetch ?? fetch)(url, { signal });
      if (response.ok) return response;
      await response.body?.cancel();
      reasons.push(`${url}: ${response.status}`);
    } catch (error) {
      options.signal?.throwIfAborted();
      const { message, cause } = error as Error;
      reasons.push(`${url}: ${cause instanceof Error ? cause.message : message}`);
    }
    return undefined;
  };
  // Most characters of a version are valid in a URL path, but some, such as the plus sign, must be encoded.
  const path = wanted.path.split('/').map(encodeURIComponent).join('/');
  for (const mirror of MIRRORS[distribution]) {
    const response = await get(`${mirror}/${path}`);
    if (response !== undefined) return new Uint8Array(await response.arrayBuffer());
  }
  if (distribution !== 'debian') return reasons;
  const name = encodeURIComponent(wanted.name);
  const listed = await get(`${SNAPSHOT}/mr/binary/${name}/${encodeURIComponent(wanted.version)}/binfiles`);
  if (listed === undefined) return reasons;
  const { result } = (await listed.json()) as {
    readonly result?: readonly { readonly architecture: string; readonly hash: string }[];
  };
  const hash = result?.find(({ architecture }) => architecture === wanted.architecture)?.hash;
  if (hash === undefined)
    return [...reasons, `${SNAPSHOT}: has no ${wanted.name} for ${wanted.architecture}`];
  const response = await get(`${SNAPSHOT}/file/${encodeURIComponent(hash)}`);
  return response === undefined ? reasons : new Uint8Array(await response.arrayBuffer());
}
