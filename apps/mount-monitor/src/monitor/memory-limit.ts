import { join } from 'node:path';
import { textOf } from './kernel-file.ts';

/** How much memory the processes of a control group use, in bytes, and may use. */
export interface MemoryUse {
  /** What the kernel can't take back by dropping cached files, such as the pages of the executable. */
  readonly used: number;
  readonly limit: number;
}

/** The files of the two versions, and the prefix of the names in `memory.stat` that include subgroups. */
const VERSIONS = [
  // https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
  { root: 'sys/fs/cgroup', limit: 'memory.max', used: 'memory.current', prefix: '' },
  // https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
  {
    root: 'sys/fs/cgroup/memory',
    limit: 'memory.limit_in_bytes',
    used: 'memory.usage_in_bytes',
    prefix: 'total_',
  },
] as const;

/** Version 1 shows no limit as the highest multiple of a page below 2^63. */
const NO_LIMIT = 2 ** 60;

/**
 * Reads the memory of the control group with this process, such as its container's. Undefined if there is none, it has
 * no limit, or it can't be read.
 */
export function readMemoryUse(root = '/'): MemoryUse | undefined {
  const own = textOf(join(root, 'proc/self/cgroup')) ?? '';
  for (const { root: folder, limit, used, prefix } of VERSIONS) {
    const controllers = limit === 'memory.max' ? '0::' : '\\d+:(?:[^:\\n]*,)?memory(?:,[^:\\n]*)?:';
    const path = new RegExp(`^${controllers}(/.*)$`, 'm').exec(own)?.[1] ?? '/';
    // In a container without a cgroup namespace, its own group is the root, and the path is one of the host.
    for (const group of new Set([join(root, folder, path), join(root, folder)])) {
      const bytes = numberIn(textOf(join(group, limit)));
      const all = numberIn(textOf(join(group, used)));
      if (bytes === undefined || all === undefined || bytes >= NO_LIMIT) continue;
      const cached = (textOf(join(group, 'memory.stat')) ?? '').matchAll(
        new RegExp(`^${prefix}(?:in)?active_file (\\d+)$`, 'gm'),
      );
      const reclaimable = [...cached].reduce((sum, [, value]) => sum + Number(value), 0);
      return { used: Math.max(0, all - reclaimable), limit: bytes };
    }
  }
  return undefined;
}

/** Undefined for `max`, and for anything else that is no number. */
function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+\n?$/.test(text) ? Number(text) : undefined;
}
