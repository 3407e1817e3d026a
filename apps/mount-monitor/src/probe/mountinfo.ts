import type { MountFacts } from './protocol.ts';

interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  readonly device: string;
  readonly mountPoint: string;
  readonly fsType: string;
  readonly source: string;
}

/**
 * Parses `/proc/self/mountinfo` (https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html). Lines that
 * do not follow the format are left out.
 */
export function parseMountInfo(text: string): readonly MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const separator = fields.indexOf('-', 6);
    const [id, parentId, device, , mountPoint] = fields;
    const fsType = fields[separator + 1];
    if (separator < 0 || !id || !parentId || !device || !mountPoint || !fsType) continue;
    entries.push({
      id: Number(id),
      parentId: Number(parentId),
      device,
      mountPoint: unescapeOctal(mountPoint),
      fsType: unescapeOctal(fsType),
      source: withoutCredentials(unescapeOctal(fields[separator + 2] ?? '')),
    });
  }
  return entries;
}

/** The mount that holds an absolute path: the longest mount point above it, the topmost where several are stacked. */
export function findMount(entries: readonly MountEntry[], path: string): MountFacts | undefined {
  let found: MountEntry | undefined;
  for (const entry of entries) {
    if (!isWithin(path, entry.mountPoint)) continue;
    if (found === undefined || entry.mountPoint.length >= found.mountPoint.length) found = entry;
  }
  if (found === undefined) return undefined;
  const { parentId } = found;
  return {
    mounted: found.mountPoint === path,
    mountPoint: found.mountPoint,
    fsType: found.fsType,
    source: found.source,
    mountId: found.id,
    device: found.device,
    parentDevice: entries.find(({ id }) => id === parentId)?.device,
  };
}

function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

/** The kernel writes space, tab, newline and backslash as three octal digits; the bytes are UTF-8 as they are. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function withoutCredentials(source: string): string {
  return source.replace(/\/\/[^/@]*@/, '//');
}
