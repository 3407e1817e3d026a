import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject } from 'vitest';
import { runMonitor, Scratch } from '../testing/monitor-process.ts';
import { canMountFuse, detach, isMounted } from '../testing/mounts.ts';
import { need } from '../testing/needs.ts';

const executable = inject('executable');
const sftpServer = '/usr/lib/openssh/sftp-server';
const has = (program: string): boolean => spawnSync('which', [program]).status === 0;
const onSshfs = need(
  'sshfs, openssh-sftp-server, root and /dev/fuse',
  canMountFuse && has('sshfs') && existsSync(sftpServer),
  'for a real SFTP mount',
);
const onMergerfs = need('mergerfs, root and /dev/fuse', canMountFuse && has('mergerfs'), 'to merge folders');
const onAutofs = need('autofs and root', process.getuid?.() === 0 && has('automount'), 'to mount on access');
const asRoot = need('root', process.getuid?.() === 0, 'to mount file systems');

let scratch: Scratch;
const endings: (() => void | Promise<void>)[] = [];
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
  scratch[Symbol.dispose]();
});

/** Runs a program until the test ends. */
function run(
  file: string,
  args: readonly string[],
  stdio: StdioOptions = ['ignore', 'ignore', 'inherit'],
): ChildProcess {
  const child = spawn(file, [...args], { stdio });
  endUnasked(child);
  return child;
}

function endUnasked(child: ChildProcess): void {
  endings.push(() => {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function mount(path: string, ...args: readonly string[]): string {
  mkdirSync(path, { recursive: true });
  const { status, stderr } = spawnSync('mount', [...args, path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount ${args.join(' ')}: ${stderr}`);
  endings.push(() => detach(path));
  return path;
}

async function untilMounted(path: string): Promise<string> {
  endings.push(() => detach(path));
  await until(`${path} is mounted`, () => isMounted(path));
  return path;
}

/**
 * Makes the automounter remove its triggers. Nobody may touch one that is left behind, because nothing would answer.
 */
async function endAutomounter(daemon: ChildProcess, path: string): Promise<void> {
  daemon.kill('SIGTERM');
  const timer = setTimeout(() => daemon.kill('SIGKILL'), 10_000);
  if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit');
  clearTimeout(timer);
  while (isMounted(path)) detach(path);
}

/** The results of `--check --json`: `passed`, or the reason. Only hanging mounts get a short timeout. */
function check(mounts: readonly Readonly<Record<string, unknown>>[], readTimeout = '10s'): readonly string[] {
  const settings = { readTimeout, mounts };
  const config = scratch.write('check.json', JSON.stringify(settings));
  const { stdout } = runMonitor(executable, ['--check', '--json', '--config', config]);
  const checked = JSON.parse(stdout) as { mounts: { status: string; reason?: string; error?: string }[] };
  return checked.mounts.map(
    ({ status, reason, error }) => reason ?? (status === 'passed' ? status : `${error}`),
  );
}

/** Checks the same path with each check type: canary, directory with an entry, writable, and mountpoint. */
function checkAll(path: string, fsType: string, readTimeout?: string): readonly string[] {
  const mounts = [
    { path },
    { path, checkType: 'directory', minEntries: 1 },
    { path, checkType: 'directory', writable: true },
    { path, checkType: 'mountpoint', fsType },
  ];
  return check(mounts, readTimeout);
}

const passed = ['passed', 'passed', 'passed', 'passed'];

describe('a real mount', () => {
  onSshfs('an sshfs mount is healthy and fails when its server or daemon hangs or is gone', async () => {
    const source = scratch.mount('source');
    const path = join(scratch.path, 'sshfs');
    mkdirSync(path);
    // This is what sshd starts for a session; sshfs can talk to it directly.
    const server = spawn(sftpServer, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    const options = 'passive,dir_cache=no,entry_timeout=0,attr_timeout=0,negative_timeout=0';
    const daemon = run(
      'sshfs',
      ['-f', '-o', options, `:${source}`, path],
      [server.stdout, server.stdin, 'inherit'],
    );
    endUnasked(server);
    for (const stream of [server.stdin, server.stdout]) stream.destroy();
    await untilMounted(path);
    expect(checkAll(path, 'fuse.sshfs')).toEqual(passed);
    // Without the daemon's own cache, a listing shows changes immediately.
    rmSync(join(source, '.health-check'));
    expect(checkAll(path, 'fuse.sshfs')).toEqual(['missing', 'empty', 'passed', 'passed']);
    scratch.mount('source');
    server.kill('SIGSTOP');
    const [canary, directory, writable, table] = checkAll(path, 'fuse.sshfs', '500ms');
    expect([canary, directory, writable].every((reason) => reason === 'timeout' || reason === 'hung')).toBe(
      true,
    );
    expect(table).toBe('passed');
    server.kill('SIGCONT');
    await until('all pass again', () => checkAll(path, 'fuse.sshfs').every((result) => result === 'passed'));
    daemon.kill('SIGKILL');
    await once(daemon, 'exit');
    expect(checkAll(path, 'fuse.sshfs')).toEqual([
      'not_connected',
      'not_connected',
      'not_connected',
      'passed',
    ]);
  });

  onMergerfs(
    'a mergerfs mount is healthy and fails when its daemon hangs or is gone, or when a branch is',
    async () => {
      const branches = ['one', 'two'].map((name) => mount(join(scratch.path, name), '-t', 'tmpfs', 'none'));
      scratch.mount('one');
      const path = join(scratch.path, 'merged');
      mkdirSync(path);
      const options = 'cache.files=off,cache.attr=0,cache.entry=0,cache.negative_entry=0';
      const daemon = run('mergerfs', ['-f', '-o', options, branches.join(':'), path]);
      await untilMounted(path);
      expect(checkAll(path, 'fuse.mergerfs')).toEqual(passed);
      // The disk with the canary is lost; the other one is still available.
      detach(branches[0] ?? '');
      expect(checkAll(path, 'fuse.mergerfs')).toEqual(['missing', 'empty', 'passed', 'passed']);
      scratch.mount('two');
      expect(checkAll(path, 'fuse.mergerfs')).toEqual(passed);
      daemon.kill('SIGSTOP');
      const [canary, , , table] = checkAll(path, 'fuse.mergerfs', '500ms');
      expect(['timeout', 'hung']).toContain(canary);
      expect(table).toBe('passed');
      daemon.kill('SIGCONT');
      await until('all pass again', () =>
        checkAll(path, 'fuse.mergerfs').every((result) => result === 'passed'),
      );
      daemon.kill('SIGKILL');
      await once(daemon, 'exit');
      expect(checkAll(path, 'fuse.mergerfs')).toEqual([
        'not_connected',
        'not_connected',
        'not_connected',
        'passed',
      ]);
    },
  );

  asRoot('an overlay mount is healthy and fails when its upper file system becomes read-only', () => {
    const lower = mount(join(scratch.path, 'lower'), '-t', 'tmpfs', 'none');
    const upper = mount(join(scratch.path, 'upper'), '-t', 'tmpfs', 'none');
    scratch.mount('lower');
    for (const name of ['data', 'work']) mkdirSync(join(upper, name));
    const options = `lowerdir=${lower},upperdir=${upper}/data,workdir=${upper}/work`;
    const path = mount(join(scratch.path, 'overlay'), '-t', 'overlay', '-o', options, 'none');
    expect(checkAll(path, 'overlay')).toEqual(passed);
    expect(spawnSync('mount', ['-o', 'remount,ro', path]).status).toBe(0);
    expect(checkAll(path, 'overlay')).toEqual(['passed', 'passed', 'read_only', 'passed']);
  });

  onAutofs('an autofs mount point is only a trigger until a reading check touches it', async () => {
    const source = scratch.mount('source');
    const path = join(scratch.path, 'auto');
    mkdirSync(path);
    const map = scratch.write('auto.direct', `${path} -fstype=bind :${source}\n`);
    const master = scratch.write('auto.master', `/- ${map}\n`);
    // A separate process group: the automounter mounts nothing for its own group.
    const daemon = spawn('automount', ['-f', '-p', join(scratch.path, 'automount.pid'), master], {
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    });
    endings.push(() => endAutomounter(daemon, path));
    await until('the trigger is mounted', () => isMounted(path));
    const mountpoint = [{ path, checkType: 'mountpoint' }];
    expect(check(mountpoint)).toEqual(['not_mounted']);
    expect(check([{ path }])).toEqual(['passed']);
    expect(readFileSync('/proc/self/mountinfo', 'utf8').split(` ${path} `)).toHaveLength(3);
    expect(check(mountpoint)).toEqual(['passed']);
  });
});
