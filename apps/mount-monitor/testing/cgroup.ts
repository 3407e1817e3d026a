import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A control group with a memory limit, for the processes that join it. */
export interface MemoryCgroup {
  /** A program that runs another program, given as its arguments, inside the group. */
  readonly wrapper: readonly string[];
  /** Bytes currently charged, including the page cache. */
  used(): number;
  /** How many processes in the group the kernel has killed; undefined if it does not count them. */
  killed(): number | undefined;
  /** Removes the group once its processes have exited; they may leave it a moment later. */
  remove(): Promise<void>;
}

/** Creates a group with a unique name; undefined if this machine does not allow that. */
export function makeMemoryCgroup(name: string, limitBytes: number): MemoryCgroup | undefined {
  for (const root of ['/sys/fs/cgroup', '/sys/fs/cgroup/memory']) {
    const folder = join(root, name);
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    const version2 = existsSync(join(folder, 'memory.max'));
    if (version2 || existsSync(join(folder, 'memory.limit_in_bytes'))) {
      writeFileSync(join(folder, version2 ? 'memory.max' : 'memory.limit_in_bytes'), String(limitBytes));
      return groupAt(folder, version2);
    }
    rmdirSync(folder);
  }
  return undefined;
}

function groupAt(folder: string, version2: boolean): MemoryCgroup {
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');
  return {
    wrapper: ['/bin/sh', '-c', `echo $$ > ${folder}/cgroup.procs; exec "$@"`, 'sh'],
    used: () => Number(read(version2 ? 'memory.current' : 'memory.usage_in_bytes').trim()),
    killed() {
      const count = /^oom_kill (\d+)/m.exec(read(version2 ? 'memory.events' : 'memory.oom_control'))?.[1];
      return count === undefined ? undefined : Number(count);
    },
    async remove() {
      for (let attempt = 0; attempt < 50 && existsSync(folder); attempt += 1) {
        try {
          rmdirSync(folder);
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    },
  };
}
