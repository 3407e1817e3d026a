import { debianArchitectureOf, type Platform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { type DebianPin, type EmulatorPin, LOCK_COMMAND, type Lock } from '../../lock/lock.ts';
import type { LockOptions } from './options.ts';
import type { Resolver } from './resolve.ts';
import type { LockWants } from './wants.ts';

/**
 * The lock with every line that is wanted: those that are there stay as they are, except when refreshing. Lines that
 * nobody wants any more stay until then. Throws `LOCKFILE` where platforms would get different C libraries.
 */
export async function updateLock(
  lock: Lock,
  wants: LockWants,
  options: Pick<LockOptions, 'refresh' | 'bunVersion'>,
  hosts: readonly Platform[],
  resolver: Resolver,
): Promise<Lock> {
  const kept: Lock = options.refresh ? { lockVersion: 1, ...(lock.images && { images: lock.images }) } : lock;
  const needsBun =
    wants.bun && (kept.bun === undefined || (options.bunVersion ?? kept.bun.version) !== kept.bun.version);
  const bun = needsBun ? await resolver.bun(options.bunVersion ?? 'latest') : kept.bun;
  const sysroots: Record<string, Record<string, DebianPin>> = { ...kept.sysroots };
  for (const [platform, names] of wants.sysroots) {
    const known = sysroots[platform] ?? {};
    const missing = [...names].filter((name) => known[name] === undefined);
    if (missing.length === 0) continue;
    const found = await resolver.packages(debianArchitectureOf(platform), missing);
    sysroots[platform] = { ...known, ...found };
  }
  checkOneLibc(sysroots);
  const emulators: Record<string, Record<string, EmulatorPin>> = { ...kept.emulators };
  for (const host of hosts) {
    for (const platform of wants.platforms) {
      if (platform === host || emulators[host]?.[platform] !== undefined) continue;
      emulators[host] = { ...emulators[host], [platform]: await resolver.emulator(host, platform) };
    }
  }
  const data: Record<string, DebianPin> = { ...kept.data };
  const missingData = [...wants.data].filter((name) => data[name] === undefined);
  if (missingData.length > 0) Object.assign(data, await resolver.packages('amd64', missingData));
  const debian = [sysroots, emulators, data].some((part) => Object.keys(part).length > 0);
  return {
    lockVersion: 1,
    ...(kept.$schema !== undefined && { $schema: kept.$schema }),
    ...(debian && { distribution: kept.distribution ?? (await resolver.distribution()) }),
    ...(bun && { bun }),
    ...(Object.keys(sysroots).length > 0 && { sysroots }),
    ...(Object.keys(emulators).length > 0 && { emulators }),
    ...(Object.keys(data).length > 0 && { data }),
    ...(kept.images && { images: kept.images }),
  };
}

// One index names one version for all architectures, but for the hour in which a mirror is updated.
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
      hint: `Move all of them: ${LOCK_COMMAND} --refresh (in a while, where mirrors are being updated).`,
    },
  );
}

/** A line of the table of changes. */
export interface LockChange {
  readonly what: string;
  readonly from: string;
  readonly to: string;
}

/** What differs between two locks, by line: versions, and where these are equal the hash. Sorted. */
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

/** The changes as a table, columns aligned; one sentence where there are none. */
export function formatChanges(changes: readonly LockChange[]): string {
  if (changes.length === 0) return 'prebuilt.lock.json: nothing to change';
  const rows = [{ what: 'what', from: 'old', to: 'new' }, ...changes];
  const width = (key: 'what' | 'from'): number => Math.max(...rows.map((row) => row[key].length));
  const [what, from] = [width('what'), width('from')];
  return rows.map((row) => `${row.what.padEnd(what)}  ${row.from.padEnd(from)}  ${row.to}`).join('\n');
}
