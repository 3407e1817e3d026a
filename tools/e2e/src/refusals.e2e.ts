import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  copyFile,
  cp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { skipOutsideCi } from '@prebuilt/testing/engine';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Clone, linkedClone, OWN_ARCHITECTURE, releaseOwnPlatformAlone } from './testing/clone.ts';
import { nx, runOk, userEnvironment } from './testing/workspace.ts';

const NOT_ROOT = 'needs root to change owners and to mount a small disk';
const EXECUTABLE = `dist/bin/mount-monitor-linux-${OWN_ARCHITECTURE}`;
/** Runs only the image target on the existing files, without building or verifying them again. */
const ALONE = ['--exclude-task-dependencies', '--skip-nx-cache', '--builder=daemonless'];

interface Refusal {
  readonly name: string;
  readonly spoil?: (at: (path: string) => string) => Promise<unknown>;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly says: RegExp;
}

const dockerfile =
  (change: (text: string) => string) =>
  async (at: (path: string) => string): Promise<void> =>
    writeFile(at('Dockerfile.release'), change(await readFile(at('Dockerfile.release'), 'utf8')));

/**
 * One of each kind, through the command that users run, for one platform; docker-release.spec.ts has tables with all of
 * them, for two.
 */
const IMAGE_REFUSALS: readonly Refusal[] = [
  {
    name: 'an executable with one byte flipped after verify',
    spoil: async (at) => {
      const file = await open(at(EXECUTABLE), 'r+');
      const { size } = await file.stat();
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
      buffer.writeUInt8(buffer.readUInt8(0) ^ 1, 0);
      await file.write(buffer, 0, 1, size - 1);
      await file.close();
    },
    says: /mount-monitor-linux-(amd64|arm64).*SHA-256/i,
  },
  {
    name: 'a link instead of a file',
    spoil: async (at) => {
      await rename(at(EXECUTABLE), at('elsewhere'));
      await symlink(at('elsewhere'), at(EXECUTABLE));
    },
    says: /mount-monitor-linux-(amd64|arm64).*link/i,
  },
  {
    name: 'a platform whose report did not pass',
    spoil: async (at) => {
      const path = at(`dist/verify/linux-${OWN_ARCHITECTURE}.json`);
      await writeFile(
        path,
        (await readFile(path, 'utf8')).replace('"result": "passed"', '"result": "failed"'),
      );
    },
    says: /linux\/(amd64|arm64).*(failed|pass)/i,
  },
  { name: 'an unknown builder', args: ['--builder=podman'], says: /builder/ },
  { name: 'RUN in Dockerfile.release', spoil: dockerfile((text) => `${text}RUN id\n`), says: /RUN/ },
];

const VERSION_REFUSALS: readonly Refusal[] = ['1.2.3; id', '1'.repeat(300)].map((version) => ({
  name: `the version ${version.slice(0, 20)}`,
  env: { RELEASE_VERSION: version },
  says: /INVALID_VERSION.*SemVer/,
}));

describe('docker-release refuses with a message, and leaves nothing in dist', { timeout: 600_000 }, () => {
  let clone: Clone;
  const at = (path: string): string => join(clone.root, path);
  /** Outside the workspace, whose files Nx hashes on each run. */
  const pristine = (name: string): string => join(clone.root, '../pristine', name);

  beforeAll(async () => {
    clone = await linkedClone();
    await releaseOwnPlatformAlone(clone);
    await runOk(clone.root, 'npx', ['nx', 'run', 'release:verify']);
    await cp(at('dist'), pristine('dist'), { recursive: true });
    await copyFile(at('Dockerfile.release'), pristine('Dockerfile.release'));
  }, 600_000);
  afterAll(() => clone?.[Symbol.asyncDispose]());

  beforeEach(async () => {
    await rm(at('dist'), { recursive: true, force: true });
    await rm(at('elsewhere'), { force: true });
    await cp(pristine('dist'), at('dist'), { recursive: true });
    await copyFile(pristine('Dockerfile.release'), at('Dockerfile.release'));
  });

  async function distIsClean(): Promise<void> {
    expect((await readdir(at('dist'))).sort()).toEqual(['bin', 'verify']);
  }

  it.each(IMAGE_REFUSALS)('docker-release refuses $name', async ({ spoil, args = [], env, says }) => {
    await spoil?.(at);
    const { exitCode, output } = await nx(
      clone.root,
      ['run', 'release:docker-release', ...ALONE, ...args],
      env,
    );
    expect(output).toMatch(says);
    expect(exitCode).not.toBe(0);
    await distIsClean();
  });

  it.each(VERSION_REFUSALS)('docker-release refuses $name', async ({ env, says }) => {
    const { exitCode, output } = await nx(
      clone.root,
      ['run', 'release:docker-release', '--skip-nx-cache'],
      env,
    );
    expect(output).toMatch(says);
    expect(exitCode).not.toBe(0);
    await distIsClean();
  });

  it('docker-release refuses a dist that the user may not write to', async ({ skip }) => {
    if (process.getuid?.() !== 0) skipOutsideCi(NOT_ROOT, skip);
    const nobody = 65534;
    await runOk(clone.root, 'chown', ['-R', `${nobody}:${nobody}`, at('.')]);
    await runOk(clone.root, 'chown', ['root:root', at('dist')]);
    await chmod(at('dist'), 0o755);
    await chmod(join(clone.root, '..'), 0o755);
    try {
      const home = { ...userEnvironment(), HOME: at('home') };
      const command = ['npx', 'nx', 'run', 'release:docker-release', ...ALONE];
      const failing = runOk(
        clone.root,
        'setpriv',
        [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', ...command],
        home,
      );
      await expect(failing).rejects.toThrow(/EACCES.*not writable/s);
      await distIsClean();
    } finally {
      await runOk(clone.root, 'chown', ['-R', 'root:root', at('.')]);
    }
  });

  it('docker-release fails cleanly on a full disk', async ({ skip }) => {
    if (process.getuid?.() !== 0) skipOutsideCi(NOT_ROOT, skip);
    await rm(at('dist'), { recursive: true });
    await runOk(clone.root, 'mkdir', [at('dist')]);
    await runOk(clone.root, 'mount', ['-t', 'tmpfs', '-o', 'size=135m', 'tmpfs', at('dist')]);
    try {
      await cp(pristine('dist'), at('dist'), { recursive: true });
      const { exitCode, output } = await nx(clone.root, ['run', 'release:docker-release', ...ALONE]);
      expect(output).toMatch(/ENOSPC.*disk is full/s);
      expect(exitCode).not.toBe(0);
      await distIsClean();
    } finally {
      await runOk(clone.root, 'umount', [at('dist')]);
    }
  });

  it('SIGINT during docker-release leaves the previous image in place', async () => {
    await nx(clone.root, ['run', 'release:docker-release', ...ALONE]);
    const before = await readFile(at('dist/oci/index.json'), 'utf8');
    const child = spawn('npx', ['nx', 'run', 'release:docker-release', ...ALONE], {
      cwd: clone.root,
      env: { ...userEnvironment() },
      stdio: 'ignore',
      detached: true,
    });
    const ended = once(child, 'exit');
    const deadline = Date.now() + 60_000;
    while (!(await readdir(at('dist'))).some((name) => name.startsWith('.oci-'))) {
      if (Date.now() > deadline) throw new Error('the image build did not start within a minute');
      await sleep(5);
    }
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
    await ended;
    while ((await readdir(at('dist'))).some((name) => name.startsWith('.oci-')) && Date.now() < deadline)
      await sleep(50);
    expect((await readdir(at('dist'))).sort()).toEqual(['bin', 'oci', 'verify']);
    expect(await readFile(at('dist/oci/index.json'), 'utf8')).toBe(before);
    expect(existsSync(at('dist/oci/oci-layout'))).toBe(true);
  });
});
