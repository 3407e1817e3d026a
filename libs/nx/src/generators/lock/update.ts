import { debianArchitectureOf, type Platform, parsePlatform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { lockedName } from '../../image/base/reference.ts';
import { type DebianPin, type EmulatorPin, LOCK_COMMAND, type Lock } from '../../lock/lock.ts';
import type { LockOptions } from './options.ts';
import type { Resolver } from './resolve.ts';
import type { LockWants } from './wants.ts';

/**
 * The lock with all wanted entries. Existing entries are kept; a refresh looks them all up again and, if all
 * Dockerfiles can be read, removes images that no Dockerfile uses anymore. No other entry is ever removed; that is up
 * to the user. Throws `LOCKFILE` if platforms would get different C libraries.
 */
export async function updateLock(
  lock: Lock,
  wants: LockWants,
  options: Pick<LockOptions, 'refresh' | 'bunVersion'>,
  hosts: readonly Platform[],
  resolver: Resolver,
): Promise<Lock> {
  const { refresh, bunVersion } = options;
  const moveBun = refresh || lock.bun === undefined || (bunVersion ?? lock.bun.version) !== lock.bun.version;
  const bun =
    (wants.bun || lock.bun !== undefined) && moveBun ? await resolver.bun(bunVersion ?? 'latest') : lock.bun;
  const sysroots = await updateSysroots(lock, wants, refresh, resolver);
  checkOneLibc(sysroots);
  const emulators = await updateEmulators(lock, wants, refresh, hosts, resolver);
  const data = await updatePackages(lock.data ?? {}, wants.data, 'amd64', refresh, resolver);
  const images = await updateImages(lock.images ?? {}, wants, refresh, resolver);
  const debian = [sysroots, emulators, data].some((part) => Object.keys(part).length > 0);
  const distribution = debian && (refresh || lock.distribution === undefined);
  const { images: _, ...others } = lock;
  return {
    ...others,
    lockVersion: 1,
    ...(debian && { distribution: distribution ? await resolver.distribution() : lock.distribution }),
    ...(bun && { bun }),
    ...(Object.keys(sysroots).length > 0 && { sysroots }),
    ...(Object.keys(emulators).length > 0 && { emulators }),
    ...(Object.keys(data).length > 0 && { data }),
    ...(Object.keys(images).length > 0 && { images }),
  };
}

async function updateImages(
  known: NonNullable<Lock['images']>,
  { bases, images: others, unread }: Pick<LockWants, 'bases' | 'images' | 'unread'>,
  refresh: boolean,
  resolver: Resolver,
): Promise<NonNullable<Lock['images']>> {
  // An image that the Dockerfile itself pins by digest needs no entry.
  const wanted = [...bases, ...others].filter((name) => !name.includes('@')).map(lockedName);
  const images: Record<string, string> = {};
  const kept = refresh && unread.length === 0 ? [] : Object.keys(known);
  for (const name of new Set([...kept, ...wanted]))
    images[name] = (refresh ? undefined : known[name]) ?? (await resolver.image(name));
  return images;
}

async function updateSysroots(
  lock: Lock,
  wants: LockWants,
  refresh: boolean,
  resolver: Resolver,
): Promise<NonNullable<Lock['sysroots']>> {
  const platforms = new Set([
    ...Object.keys(lock.sysroots ?? {}).map(parsePlatform),
    ...wants.sysroots.keys(),
  ]);
  const sysroots: Record<string, Readonly<Record<string, DebianPin>>> = {};
  for (const platform of platforms) {
    const known = lock.sysroots?.[platform] ?? {};
    const wanted = wants.sysroots.get(platform) ?? new Set<string>();
    const architecture = debianArchitectureOf(platform);
    sysroots[platform] = await updatePackages(known, wanted, architecture, refresh, resolver);
  }
  return sysroots;
}

async function updatePackages(
  known: Readonly<Record<string, DebianPin>>,
  wanted: ReadonlySet<string>,
  architecture: string,
  refresh: boolean,
  resolver: Resolver,
): Promise<Readonly<Record<string, DebianPin>>> {
  const names = [...new Set([...Object.keys(known), ...wanted])];
  const missing = refresh ? names : names.filter((name) => known[name] === undefined);
  return missing.length === 0 ? known : { ...known, ...(await resolver.packages(architecture, missing)) };
}

async function updateEmulators(
  lock: Lock,
  wants: LockWants,
  refresh: boolean,
  hosts: readonly Platform[],
  resolver: Resolver,
): Promise<NonNullable<Lock['emulators']>> {
  const emulators: Record<string, Readonly<Record<string, EmulatorPin>>> = {};
  for (const host of new Set([...Object.keys(lock.emulators ?? {}).map(parsePlatform), ...hosts])) {
    const known = lock.emulators?.[host] ?? {};
    const targets = new Set([...Object.keys(known).map(parsePlatform), ...wants.platforms]);
    const found: Record<string, EmulatorPin> = {};
    for (const target of targets) {
      if (target === host) continue;
      found[target] = (refresh ? undefined : known[target]) ?? (await resolver.emulator(host, target));
    }
    if (Object.keys(found).length > 0) emulators[host] = found;
  }
  return emulators;
}

// The index has one version for all architectures, except while a mirror is being updated.
function checkOneLibc(sysroots: Readonly<Record<string, Readonly<Record<string, DebianPin>>>>): void {
  const versions = Object.entries(sysroots).flatMap(([platform, packages]) =>
    packages.libc6 === undefined ? [] : [{ platform, version: packages.libc6.version }],
  );
  const [first] = versions;
  const other = versions.find(({ version }) => version !== first?.version);
  if (first === undefined || other === undefined) return;
  throw new PrebuiltError(
    'LOCKFILE',
    `libc6: expected one version on all platforms, found ${first.version} on ${first.platform} and ${other.version} on ${other.platform}`,
    {
      hint: `Update all of them: ${LOCK_COMMAND} --refresh (if mirrors are being updated, wait a while).`,
    },
  );
}

/** A row in the table of changes. */
export interface LockChange {
  readonly what: string;
  readonly from: string;
  readonly to: string;
}

/** The differences between two locks, entry by entry: the versions, or the hashes if the versions are equal. Sorted. */
export function compareLocks(before: Lock, after: Lock): readonly LockChange[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((what) => {
    const [from, to] = [old.get(what), now.get(what)];
    if (from?.version === to?.version && from?.hash === to?.hash) return [];
    const short = (line: typeof from): string =>
      line === undefined
        ? '-'
        : from?.version === to?.version
          ? `${line.version} (${line.hash.slice(0, 19)})`
          : line.version;
    return [{ what, from: short(from), to: short(to) }];
  });
}

function linesOf(lock: Lock): ReadonlyMap<string, { readonly version: string; readonly hash: string }> {
  const lines = new Map<string, { readonly version: string; readonly hash: string }>();
  for (const [name, { integrity }] of Object.entries(lock.bun?.packages ?? {}))
    lines.set(name, { version: lock.bun?.version ?? '', hash: integrity });
  for (const [platform, packages] of Object.entries(lock.sysroots ?? {}))
    for (const [name, pin] of Object.entries(packages))
      lines.set(`${name} ${platform}`, { version: pin.version, hash: pin.sha256 });
  for (const [host, targets] of Object.entries(lock.emulators ?? {}))
    for (const [platform, pin] of Object.entries(targets))
      lines.set(`emulator ${platform} on ${host}`, { version: pin.version, hash: pin.sha256 });
  for (const [name, pin] of Object.entries(lock.data ?? {}))
    lines.set(name, { version: pin.version, hash: pin.sha256 });
  for (const [reference, digest] of Object.entries(lock.images ?? {}))
    lines.set(reference, { version: digest, hash: digest });
  return lines;
}

/** The changes as a table with aligned columns, or a sentence if there are none. */
export function formatChanges(changes: readonly LockChange[]): string {
  if (changes.length === 0) return 'prebuilt.lock.json is up to date';
  const rows = [{ what: 'what', from: 'old', to: 'new' }, ...changes];
  const width = (key: 'what' | 'from'): number => Math.max(...rows.map((row) => row[key].length));
  const [what, from] = [width('what'), width('from')];
  return rows.map((row) => `${row.what.padEnd(what)}  ${row.from.padEnd(from)}  ${row.to}`).join('\n');
}
