import type { Lock } from './lock.ts';

/** An archive that a lock names: enough to find it on any mirror. */
export interface WantedArchive {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly path: string;
}

const ATTEMPT_MS = 30_000;

const MIRRORS: Readonly<Record<NonNullable<Lock['distribution']>, readonly string[]>> = {
  // Its archive of all versions has what any mirror has.
  debian: [],
  ubuntu: ['https://archive.ubuntu.com/ubuntu', 'https://ports.ubuntu.com/ubuntu-ports'],
};

// Keeps every version there ever was; a mirror drops one when the next comes.
const SNAPSHOT = 'https://snapshot.debian.org';

/**
 * Downloads an archive from the distribution's public mirrors by its path, then from Debian's archive of all former
 * versions. What comes is not trusted: the caller checks its SHA-256. Gives the reasons where no place has it.
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
  // A version's characters appear in a path as they are, but for the plus sign and the tilde's like.
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
