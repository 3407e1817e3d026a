import type { MountFacts } from './protocol.ts';

/** One line of the mount table. */
export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  readonly device: string;
  readonly mountPoint: string;
  readonly readOnly: boolean;
  readonly fsType: string;
  readonly source: string;
}

/**
 * Parses `/proc/self/mountinfo` (https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html). Skips lines that do
 * not follow the format.
 */
export function parseMountInfo(text: string): readonly MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const separator = fields.indexOf('-', 6);
    const [id, parentId, device, , mountPoint, options] = fields;
    const fsType = fields[separator + 1];
    if (separator < 0 || !id || !parentId || !device || !mountPoint || !fsType) continue;
    entries.push({
      id: Number(id),
      parentId: Number(parentId),
      device,
      mountPoint: unescapeOctal(mountPoint),
      readOnly: options?.split(',').includes('ro') === true,
      fsType: unescapeOctal(fsType),
      source: withoutCredentials(unescapeOctal(fields[separator + 2] ?? '')),
    });
  }
  return entries;
}

/** Returns the mount that a lookup of an absolute path without symbolic links ends in. */
export function findMount(entries: readonly MountEntry[], path: string): MountFacts | undefined {
  const found = walk(entries, path).at(-1);
  if (found === undefined) return undefined;
  const { parentId } = found;
  const mounted = found.mountPoint === path;
  const hidden = !mounted && entries.some(({ mountPoint }) => mountPoint === path);
  return {
    mounted,
    mountPoint: found.mountPoint,
    fsType: found.fsType,
    source: found.source,
    mountId: found.id,
    device: found.device,
    parentDevice: entries.find(({ id }) => id === parentId)?.device,
    readOnly: found.readOnly,
    hiddenBy: hidden ? found.mountPoint : undefined,
  };
}

/**
 * Returns the mounts that a lookup passes through, in the kernel's way: from the root, each step goes to the nearest
 * mount on top of the current one. The table also lists mounts that can no longer be reached because a later mount on a
 * parent folder hides them; a search for the longest mount point would find those.
 */
function walk(entries: readonly MountEntry[], path: string): readonly MountEntry[] {
  const onPath = entries.filter(({ mountPoint }) => isWithin(path, mountPoint));
  const ids = new Set(entries.map(({ id }) => id));
  const way: MountEntry[] = [];
  const left = new Set(onPath);
  for (;;) {
    const current = way.at(-1);
    let next: MountEntry | undefined;
    for (const entry of left) {
      const above =
        current === undefined
          ? !ids.has(entry.parentId) || entry.parentId === entry.id
          : entry.parentId === current.id;
      if (!above) continue;
      if (next === undefined || entry.mountPoint.length <= next.mountPoint.length) next = entry;
    }
    if (next === undefined) return way;
    left.delete(next);
    way.push(next);
  }
}

/** Whether an absolute path is the folder itself or is inside it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

/** The kernel writes space, tab, newline and backslash as three octal digits; other bytes are plain UTF-8. */
function unescapeOctal(field: string): string {
  if (!field.includes('\\')) return field;
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function withoutCredentials(source: string): string {
  return source.replace(/\/\/[^/@]*@/, '//');
}
