import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { Fifo } from '../testing/fifo.ts';
import { runMonitor, Scratch } from '../testing/monitor-process.ts';
import { need } from '../testing/needs.ts';

const executable = inject('executable');
const asRoot = need('root', process.getuid?.() === 0, 'to mount file systems');

let scratch: Scratch;
let mounted: string[] = [];
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => {
  for (const path of mounted.reverse()) spawnSync('umount', ['-l', path]);
  mounted = [];
  scratch[Symbol.dispose]();
});

function mount(path: string, args: readonly string[], descriptor?: number): string {
  mkdirSync(path, { recursive: true });
  const stdio = ['ignore', 'ignore', 'inherit', ...(descriptor === undefined ? [] : [descriptor])] as const;
  const result = spawnSync('mount', [...args, path], { stdio: [...stdio] });
  if (result.status !== 0) throw new Error(`mount ${args.join(' ')} exited with ${result.status}`);
  mounted.push(path);
  return path;
}

function tmpfs(path: string): string {
  return mount(path, ['-t', 'tmpfs', 'none']);
}

interface Checked {
  readonly status: string;
  readonly reason?: string;
  readonly error?: string;
  readonly filesystem?: { readonly type: string; readonly mount_point: string; readonly mounted: boolean };
}

/** The result of `--check --json` for one mount. */
function check(settings: Readonly<Record<string, unknown>>): Checked {
  const config = scratch.write('check.json', JSON.stringify({ mounts: [settings] }));
  const { code, stdout } = runMonitor(executable, ['--check', '--json', '--config', config]);
  const [checked] = (JSON.parse(stdout) as { mounts: Checked[] }).mounts;
  if (checked === undefined) throw new Error('nothing was checked');
  expect(code).toBe(checked.status === 'passed' ? 0 : 1);
  return checked;
}

describe('mountpoint', () => {
  asRoot('mountpoint fails for a mount hidden by a later mount on a parent folder', () => {
    const outer = join(scratch.path, 'outer');
    const inner = tmpfs(join(outer, 'inner'));
    expect(check({ path: inner, checkType: 'mountpoint' }).status).toBe('passed');
    tmpfs(outer);
    expect(check({ path: inner, checkType: 'mountpoint' })).toMatchObject({
      reason: 'not_mounted',
      error: expect.stringContaining(`hidden by a later mount at ${outer}`),
    });
    tmpfs(inner);
    expect(check({ path: inner, checkType: 'mountpoint' }).status).toBe('passed');
  });

  asRoot('mountpoint passes for stacked mounts with the type of the topmost one', () => {
    const path = tmpfs(join(scratch.path, 'stacked'));
    mount(path, ['-t', 'ramfs', 'none']);
    expect(check({ path, checkType: 'mountpoint', fsType: 'ramfs' }).status).toBe('passed');
    expect(check({ path, checkType: 'mountpoint', fsType: 'tmpfs' }).reason).toBe('wrong_fstype');
  });

  asRoot('mountpoint fails for a bare autofs trigger and passes once something is mounted', () => {
    using pipe = new Fifo(scratch, 'autofs');
    const path = join(scratch.path, 'auto');
    const options = `fd=3,pgrp=${process.pid},minproto=5,maxproto=5,direct`;
    mount(path, ['-i', '-t', 'autofs', '-o', options, 'none'], pipe.writer);
    expect(check({ path, checkType: 'mountpoint' })).toMatchObject({
      reason: 'not_mounted',
      error: expect.stringContaining("only the automounter's trigger"),
    });
    expect(check({ path, checkType: 'mountpoint', fsType: 'autofs' }).status).toBe('passed');
  });

  asRoot('mountpoint passes behind a symbolic link and shows what is mounted there', () => {
    const path = tmpfs(join(scratch.path, 'real'));
    const link = join(scratch.path, 'link');
    symlinkSync('real', link);
    expect(check({ path: link, checkType: 'mountpoint', fsType: 'tmpfs' })).toMatchObject({
      status: 'passed',
      filesystem: { type: 'tmpfs', mount_point: path, mounted: true },
    });
    expect(check({ path: `${link}/../link`, checkType: 'directory' })).toMatchObject({
      status: 'passed',
      filesystem: { type: 'tmpfs', mount_point: path, mounted: true },
    });
  });
});

describe('writable', () => {
  asRoot('writable passes if a file can be written, and leaves none behind', () => {
    const path = tmpfs(join(scratch.path, 'w'));
    expect(check({ path, checkType: 'directory', writable: true }).status).toBe('passed');
    expect(check({ path, checkType: 'directory', minEntries: 1 }).reason).toBe('empty');
  });

  asRoot(
    'writable fails as read_only for a volume that was remounted read-only, which other checks do not detect',
    () => {
      const path = tmpfs(join(scratch.path, 'w'));
      spawnSync('mount', ['-o', 'remount,ro', path]);
      expect(check({ path, checkType: 'directory' }).status).toBe('passed');
      expect(check({ path, checkType: 'directory', writable: true })).toMatchObject({
        reason: 'read_only',
        error: expect.stringContaining('but writable is set'),
      });
    },
  );

  asRoot('writable reports that a mount is read-only on purpose', () => {
    const source = tmpfs(join(scratch.path, 'source'));
    const path = mount(join(scratch.path, 'bind'), ['--bind', source]);
    spawnSync('mount', ['-o', 'remount,bind,ro', path]);
    expect(check({ path, checkType: 'directory', writable: true })).toMatchObject({
      reason: 'read_only',
      error: expect.stringContaining('this mount itself is read-only'),
    });
  });

  it('writable follows no symbolic link in place of its file and overwrites nothing through it', () => {
    const path = scratch.mount('m');
    const target = join(scratch.path, 'target');
    symlinkSync(target, join(path, '.mount-monitor-write'));
    expect(check({ path, writable: true }).status).toBe('failed');
    expect(existsSync(target)).toBe(false);
  });

  it('writable reuses a file that a killed probe left behind', () => {
    const path = scratch.mount('m');
    scratch.write('m/.mount-monitor-write', 'left');
    expect(check({ path, writable: true }).status).toBe('passed');
    expect(existsSync(join(path, '.mount-monitor-write'))).toBe(false);
  });
});
