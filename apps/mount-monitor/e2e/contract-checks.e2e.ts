import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { MonitorProcess, runMonitor, Scratch } from '../testing/monitor-process.ts';
import { need } from '../testing/needs.ts';

const executable = inject('executable');
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

let runs = 0;

/** Checks one mount once and returns the reason for its failure, or "passed". */
function checkOnce(mount: Readonly<Record<string, unknown>>, wrapper: readonly string[] = []): string {
  runs += 1;
  const path = scratch.write(`once-${runs}.json`, JSON.stringify({ mounts: [mount], readTimeout: '2s' }));
  chmodSync(path, 0o644);
  const { code, stdout, stderr } = runMonitor(executable, ['--init-container-mode', '-c', path], { wrapper });
  const lines = `${stdout}${stderr}`
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const failed = lines.find(({ msg }) => msg === 'mount check failed');
  expect(code).toBe(failed === undefined ? 0 : 1);
  return failed === undefined ? 'passed' : String(failed.reason);
}

function folder(name: string, files: Readonly<Record<string, string>> = {}): string {
  const path = join(scratch.path, name);
  mkdirSync(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}

describe('canary', () => {
  it.each([
    ['a file with content passes', { '.health-check': 'x' }, {}, 'passed'],
    ['an empty file fails as empty', { '.health-check': '' }, {}, 'empty'],
    ['a missing file fails as missing', {}, {}, 'missing'],
    ['a file with the configured name passes', { mine: 'x' }, { canaryFile: 'mine' }, 'passed'],
    ['the expected content passes', { '.health-check': 'ready' }, { canaryContent: 'ready' }, 'passed'],
    [
      'a single newline at the end is ignored',
      { '.health-check': 'ready\n' },
      { canaryContent: 'ready' },
      'passed',
    ],
    ['two newlines fail as content', { '.health-check': 'ready\n\n' }, { canaryContent: 'ready' }, 'content'],
    ['other content fails as content', { '.health-check': 'old' }, { canaryContent: 'ready' }, 'content'],
    ['a file above 64 KiB is read up to that size', { '.health-check': 'x'.repeat(100_000) }, {}, 'passed'],
  ])('%s', (name, files, more, reason) => {
    expect(checkOnce({ path: folder(name.replaceAll(' ', '-'), files), ...more })).toBe(reason);
  });

  it('a mount that does not exist fails as missing', () => {
    expect(checkOnce({ path: '/nowhere/at/all' })).toBe('missing');
  });

  it('a file in place of the mount fails as not_a_directory', () => {
    expect(checkOnce({ path: scratch.write('plain-file', 'x') })).toBe('not_a_directory');
  });

  it('a folder in place of the canary fails as missing', () => {
    const path = folder('folder-canary');
    mkdirSync(join(path, '.health-check'));
    expect(checkOnce({ path })).toBe('missing');
  });

  it('a symbolic link inside the mount passes', () => {
    const path = folder('link-inside', { real: 'x' });
    symlinkSync('real', join(path, '.health-check'));
    expect(checkOnce({ path })).toBe('passed');
  });

  it('a symbolic link out of the mount fails as missing', () => {
    const path = folder('link-outside');
    symlinkSync('/etc/hostname', join(path, '.health-check'));
    expect(checkOnce({ path })).toBe('missing');
  });

  it('a mount behind a symbolic link passes', () => {
    const path = folder('link-target', { '.health-check': 'x' });
    symlinkSync(path, join(scratch.path, 'link-to-mount'));
    expect(checkOnce({ path: join(scratch.path, 'link-to-mount') })).toBe('passed');
  });

  it('a named pipe in place of the canary fails as empty without hanging', () => {
    const path = folder('pipe');
    expect(runMonitor('mkfifo', [join(path, '.health-check')], { env: { PATH: '/usr/bin:/bin' } }).code).toBe(
      0,
    );
    expect(checkOnce({ path })).toBe('empty');
  });

  need(
    'root',
    process.getuid?.() === 0,
    'to run the monitor as another user',
  )('a file that may not be read fails as permission', () => {
    const path = folder('forbidden', { '.health-check': 'x' });
    chmodSync(join(path, '.health-check'), 0o600);
    chmodSync(scratch.path, 0o755);
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    expect(checkOnce({ path }, ['/usr/bin/env', 'PATH=/usr/bin:/bin', ...asNobody])).toBe('permission');
  });
});

describe('directory', () => {
  it.each([
    ['a folder passes', {}, {}, 'passed'],
    ['enough entries pass', { a: '', b: '' }, { minEntries: 2 }, 'passed'],
    ['too few entries fail as empty', { a: '' }, { minEntries: 2 }, 'empty'],
    ['an empty folder passes without minEntries', {}, { minEntries: 0 }, 'passed'],
  ])('%s', (name, files, more, reason) => {
    expect(
      checkOnce({ path: folder(`dir-${name.replaceAll(' ', '-')}`, files), checkType: 'directory', ...more }),
    ).toBe(reason);
  });

  it('a file in place of the folder fails as not_a_directory', () => {
    expect(checkOnce({ path: scratch.write('dir-file', 'x'), checkType: 'directory' })).toBe(
      'not_a_directory',
    );
  });

  it('a directory that does not exist fails as missing', () => {
    expect(checkOnce({ path: '/nowhere', checkType: 'directory' })).toBe('missing');
  });
});

describe('mountpoint', () => {
  it.each([
    ['a mount passes', { path: '/proc' }, 'passed'],
    ['a mount of the expected type passes', { path: '/proc', fsType: 'proc' }, 'passed'],
    ['a mount of another type fails as wrong_fstype', { path: '/proc', fsType: 'nfs4' }, 'wrong_fstype'],
    ['a folder inside a mount fails as not_mounted', { path: '/proc/sys' }, 'not_mounted'],
    ['a mount point that does not exist fails as missing', { path: '/nowhere' }, 'missing'],
    ['a path with dots is normalized', { path: '/proc/../proc/' }, 'passed'],
  ])('%s', (_, mount, reason) => {
    expect(checkOnce({ checkType: 'mountpoint', ...mount })).toBe(reason);
  });

  need(
    'root',
    process.getuid?.() === 0,
    'to mount',
  )('a bind mount of the surrounding file system fails as not_mounted', () => {
    const path = folder('bound');
    const inNamespace = [
      '/usr/bin/env',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      'unshare',
      '--mount',
      'sh',
      '-c',
      `mount --bind ${JSON.stringify(folder('bind-source'))} ${JSON.stringify(path)} && exec "$0" "$@"`,
    ];
    expect(checkOnce({ path, checkType: 'mountpoint' }, inNamespace)).toBe('not_mounted');
  });
});

describe('report', () => {
  it('the report contains the mount table’s facts for every check type', async () => {
    const config = {
      checkInterval: '1s',
      readTimeout: '900ms',
      mounts: [
        { path: '/proc', checkType: 'mountpoint' },
        { path: '/proc', checkType: 'directory', name: 'as directory' },
        { path: '/proc', canaryFile: 'version', name: 'as canary' },
      ],
    };
    await using monitor = await MonitorProcess.start(executable, scratch, config);
    for (const index of [0, 1, 2]) await monitor.untilStatus('healthy', index);
    for (const mount of (await monitor.status()).mounts) {
      expect(mount).toMatchObject({ filesystem: { mounted: true, type: 'proc', mount_point: '/proc' } });
    }
  });
});
