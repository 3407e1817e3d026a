import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMemoryUse } from './memory-limit.ts';

const MB = 1_000_000;

describe('the memory limit', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'memory-limit-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function write(files: Readonly<Record<string, string>>): void {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
    }
  }
  const version2 = (group: string, limit: string, used = 30 * MB, idle = 2 * MB) => ({
    [join(group, 'memory.max')]: `${limit}\n`,
    [join(group, 'memory.current')]: `${used}\n`,
    [join(group, 'memory.stat')]: `anon ${used}\ninactive_file ${idle - MB}\nactive_file ${MB}\n`,
  });
  const version1 = (group: string, limit: string, used = 30 * MB, idle = 2 * MB) => ({
    [join(group, 'memory.limit_in_bytes')]: `${limit}\n`,
    [join(group, 'memory.usage_in_bytes')]: `${used}\n`,
    [join(group, 'memory.stat')]:
      `cache 7\ninactive_file 1\ntotal_inactive_file ${idle - MB}\ntotal_active_file ${MB}\n`,
  });
  const found = { used: 28 * MB, limit: 64 * MB };

  it.each([
    [
      'of a container with cgroup v2',
      { 'proc/self/cgroup': '0::/\n', ...version2('sys/fs/cgroup', `${64 * MB}`) },
    ],
    [
      'of a group on a host with cgroup v2, whose root has none',
      { 'proc/self/cgroup': '0::/a/b\n', ...version2('sys/fs/cgroup/a/b', `${64 * MB}`) },
    ],
    [
      'of a container with cgroup v1, whose path is one of the host',
      {
        'proc/self/cgroup': '5:cpu,cpuacct:/x\n4:memory:/kubepods/pod1/c1\n',
        ...version1('sys/fs/cgroup/memory', `${64 * MB}`),
      },
    ],
    [
      'of a group with cgroup v1, beside an empty cgroup v2',
      {
        'proc/self/cgroup': '4:hugetlb,memory:/own\n0::/other\n',
        'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
        'sys/fs/cgroup/memory/memory.usage_in_bytes': '5\n',
        ...version1('sys/fs/cgroup/memory/own', `${64 * MB}`),
      },
    ],
  ])('the memory limit is that %s', (_, files) => {
    write(files);
    expect(readMemoryUse(root)).toEqual(found);
  });

  it.each([
    ['no control groups', {}],
    ['cgroup v2 without a limit', { 'proc/self/cgroup': '0::/\n', ...version2('sys/fs/cgroup', 'max') }],
    [
      'cgroup v1 without a limit',
      { 'proc/self/cgroup': '4:memory:/\n', ...version1('sys/fs/cgroup/memory', '9223372036854771712') },
    ],
    ['a limit that is no number', { 'proc/self/cgroup': '0::/\n', ...version2('sys/fs/cgroup', '64M') }],
    ['a limit without a use', { 'sys/fs/cgroup/memory.max': `${64 * MB}\n` }],
  ])('there is no memory limit with %s', (_, files) => {
    write(files);
    expect(readMemoryUse(root)).toBeUndefined();
  });

  it('more cached than used counts as nothing used', () => {
    write({ 'proc/self/cgroup': '0::/\n', ...version2('sys/fs/cgroup', `${64 * MB}`, MB, 2 * MB) });
    expect(readMemoryUse(root)).toEqual({ used: 0, limit: 64 * MB });
  });
});
