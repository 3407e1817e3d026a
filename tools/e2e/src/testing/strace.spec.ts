import { describe, expect, it } from 'vitest';
import { readTrace } from './strace.ts';

const TRACE = `100 execve("/usr/bin/node", ["node", "a \\"b\\".js"], 0x7ffe250690f0 /* 35 vars */) = 0
100 clone3({flags=CLONE_VM, exit_signal=0} => {parent_tid=[101]}, 88) = 101
101 vfork( <unfinished ...>
102 execve("/opt/docker", ["docker", "build"], 0x1 /* 3 vars */) = -1 ENOENT (No such file or directory)
102 execve("/usr/bin/docker", ["docker", "build"], 0x1 /* 3 vars */ <unfinished ...>
101 <... vfork resumed>) = 102
102 <... execve resumed>) = 0
103 execve("/bin/true", ["true"], 0x1 /* 1 var */) = 0
103 +++ exited with 0 +++
`.replace('1 var */', '1 vars */');

describe('readTrace', () => {
  it('readTrace finds every started program with its ancestors', () => {
    expect(readTrace(TRACE)).toEqual([
      { pid: 100, path: '/usr/bin/node', args: ['node', String.raw`a \"b\".js`], ancestry: [100] },
      { pid: 102, path: '/usr/bin/docker', args: ['docker', 'build'], ancestry: [100, 101, 102] },
      { pid: 103, path: '/bin/true', args: ['true'], ancestry: [103] },
    ]);
  });
});
