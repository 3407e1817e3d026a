import fs from 'node:fs';
import { findMount, type MountEntry, parseMountInfo } from './mountinfo.ts';
import type { MountFacts } from './protocol.ts';

/**
 * File systems served by this machine: their symbolic links can be read without waiting for another machine or a
 * daemon.
 */
const localTypes: ReadonlySet<string> = new Set([
  'btrfs',
  'erofs',
  'ext2',
  'ext3',
  'ext4',
  'f2fs',
  'overlay',
  'ramfs',
  'rootfs',
  'squashfs',
  'tmpfs',
  'xfs',
  'zfs',
]);

/**
 * How many symbolic links are followed, same as in the kernel
 * (https://man7.org/linux/man-pages/man7/path_resolution.7.html).
 */
const MAX_LINKS = 40;

/** How many lookups in one table are cached. */
const MAX_KEPT = 4096;

interface Table {
  readonly bytes: Buffer;
  readonly entries: readonly MountEntry[];
  readonly points: ReadonlySet<string>;
  readonly found: Map<string, MountFacts | undefined>;
}

/** The most recently read table and its cached lookups. It caches no check results, only the kernel's text. */
let table: Table = tableOf(Buffer.alloc(0));
let source: number | undefined;
/** When the table was read, in ms of the monotonic clock. */
let readAt = Number.NEGATIVE_INFINITY;
let buffer = Buffer.alloc(64 * 1024);

function tableOf(bytes: Buffer): Table {
  const entries = parseMountInfo(bytes.toString('utf8'));
  return { bytes, entries, points: new Set(entries.map(({ mountPoint }) => mountPoint)), found: new Map() };
}

/** The kernel generates the table again for each read from its start, but its text seldom changes. */
function readTable(): void {
  source ??= fs.openSync('/proc/self/mountinfo', 'r');
  readAt = performance.now();
  let length = 0;
  for (;;) {
    const count = fs.readSync(source, buffer, length, buffer.length - length, length);
    length += count;
    if (count === 0) break;
    if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.alloc(length)]);
  }
  const bytes = buffer.subarray(0, length);
  if (!bytes.equals(table.bytes)) table = tableOf(Buffer.from(bytes));
}

function factsOf(path: string): MountFacts | undefined {
  const { found, entries } = table;
  const known = found.get(path);
  if (known !== undefined) return known;
  const facts = findMount(entries, path);
  if (found.size < MAX_KEPT) found.set(path, facts);
  return facts;
}

/**
 * Looks up a path in the mount table. Never blocks: the kernel answers from memory, and only symbolic links on local
 * file systems are followed, so the mount itself is never touched. The table may be up to `ageMs` old, because
 * generating it takes the kernel as long as a check of a healthy mount.
 */
export function readMountFacts(path: string, ageMs = 0): MountFacts | undefined {
  if (!(performance.now() - readAt < ageMs)) readTable();
  const facts = factsOf(path);
  if (facts === undefined || facts.mounted || facts.hiddenBy !== undefined) return facts;
  const real = followLocalLinks(path);
  return real === path ? facts : factsOf(real);
}

/**
 * Returns the mount that a lookup of an absolute path ends in, or could get stuck in, if another machine or a daemon
 * serves it: such a lookup may wait forever. Never blocks itself.
 */
export function distantMount(path: string): MountFacts | undefined {
  readTable();
  const facts = factsOf(followLocalLinks(path));
  return facts === undefined || localTypes.has(facts.fsType) ? undefined : facts;
}

function followLocalLinks(path: string): string {
  let rest = namesOf(path);
  let real = '';
  let links = 0;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const next = name === '..' ? real.slice(0, Math.max(0, real.lastIndexOf('/'))) : `${real}/${name}`;
    const target = name === '..' ? undefined : linkTarget(real, next);
    if (target === undefined) {
      real = next;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return path;
    if (target.startsWith('/')) real = '';
    rest = [...namesOf(target), ...rest];
  }
  return real === '' ? '/' : real;
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** The target of a name in a local folder, if it is a symbolic link. */
function linkTarget(folder: string, path: string): string | undefined {
  const holder = factsOf(folder === '' ? '/' : folder);
  if (holder === undefined || !localTypes.has(holder.fsType)) return undefined;
  // A mount point is a folder, and looking at it would touch the mount.
  if (table.points.has(path)) return undefined;
  try {
    const isLink = fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    return isLink ? fs.readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}
