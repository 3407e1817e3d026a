import { addProjectConfiguration } from '@nx/devkit';
import { createTreeWithEmptyWorkspace } from '@nx/devkit/testing';
import type { Digest } from '@prebuilt/oci';
import { beforeEach, describe, expect, it } from 'vitest';
import { type DebianPin, LOCK_FILE, type Lock, parseLock } from '../../lock/lock.ts';
import lockGenerator from './generator.ts';
import type { Resolver } from './resolve.ts';
import { compareLocks, formatChanges } from './update.ts';

const HASH = '0'.repeat(64);
const INTEGRITY = `sha512-${Buffer.alloc(64).toString('base64')}`;
const debian = (version: string, architecture: string): DebianPin => ({
  version,
  architecture,
  path: 'pool/x.deb',
  sha256: HASH,
  contents: HASH,
});

let versions: { libc6: string; bun: string; image: string };
let asked: string[];
let tree: ReturnType<typeof createTreeWithEmptyWorkspace>;
beforeEach(() => {
  versions = { libc6: '2.36-9', bun: '1.4.4', image: 'a' };
  asked = [];
  tree = createTreeWithEmptyWorkspace();
});

// Answers like a registry and a mirror, and records the questions.
const resolver: Resolver = {
  distribution: async () => 'debian',
  async bun(version) {
    asked.push(`bun ${version}`);
    return {
      version: version === 'latest' ? versions.bun : version,
      packages: { '@oven/bun': { integrity: INTEGRITY, sha256: HASH } },
    };
  },
  async packages(architecture, names) {
    asked.push(`${architecture} ${names.join(' ')}`);
    const version = (name: string): string => (name === 'libc6' ? versions.libc6 : '1.0');
    return Object.fromEntries(names.map((name) => [name, debian(version(name), architecture)]));
  },
  async image(reference) {
    asked.push(`image ${reference}`);
    return `sha256:${versions.image.repeat(64)}` as Digest;
  },
  async emulator(host, target) {
    asked.push(`emulator ${target} on ${host}`);
    const { contents: _, ...pin } = debian('7.2', 'amd64');
    return { ...pin, package: 'qemu-user-static', executable: { path: 'usr/bin/qemu', sha256: HASH } };
  },
};

const run = (options: Parameters<typeof lockGenerator>[1] = {}): Promise<void> =>
  lockGenerator(tree, { hosts: ['linux/amd64'], ...options }, resolver);
const written = (): Lock => parseLock(tree.read(LOCK_FILE, 'utf8') ?? '', LOCK_FILE);

describe('nx g lock', () => {
  it('locks the digest of a base image given by tag, and updates it on a refresh', async () => {
    const command = '{"toolchain":{"name":"command"}}';
    tree.write('apps/a/prebuilt.json', command);
    tree.write('apps/a/Dockerfile.release', 'FROM alpine\nCOPY a /a\n');
    tree.write('apps/b/prebuilt.json', '{"toolchain":{"name":"command"},"image":{"dockerfile":"Docker.b"}}');
    tree.write('apps/b/Docker.b', 'FROM gcr.io/distroless/static:nonroot\nCOPY a /a\n');
    tree.write('apps/c/prebuilt.json', command);
    tree.write('apps/c/Dockerfile.release', `FROM pinned@sha256:${HASH}\nCOPY a /a\n`);
    tree.write('apps/d/prebuilt.json', command);
    tree.write('apps/d/Dockerfile.release', 'FROM scratch\nCOPY a /a\n');
    await run();
    const digest = `sha256:${'a'.repeat(64)}`;
    const before = written();
    expect(before.images).toEqual({
      'docker.io/library/alpine:latest': digest,
      'gcr.io/distroless/static:nonroot': digest,
    });
    versions.image = 'b';
    asked = [];
    await run();
    expect(written()).toEqual(before);
    expect(asked).toEqual([]);
    await run({ refresh: true });
    expect(formatChanges(compareLocks(before, written()))).toContain(
      `gcr.io/distroless/static:nonroot  ${digest}  sha256:${'b'.repeat(64)}`,
    );
  });

  it.each<[string, string, boolean]>([
    ['removes on a refresh', 'FROM scratch\nCOPY b /b\n', false],
    ['keeps, if a Dockerfile can’t be read,', 'COPY b /b\n', true],
  ])('%s the digest of an image that no Dockerfile uses anymore', async (_, other, kept) => {
    tree.write('apps/a/prebuilt.json', '{"toolchain":{"name":"command"}}');
    tree.write('apps/a/Dockerfile.release', 'FROM alpine\nCOPY a /a\n');
    tree.write('apps/b/prebuilt.json', '{"toolchain":{"name":"command"}}');
    await run();
    const before = written();
    tree.write('apps/a/Dockerfile.release', 'FROM scratch\nCOPY a /a\n');
    tree.write('apps/b/Dockerfile.release', other);
    await run();
    expect(written()).toEqual(before);
    await run({ refresh: true });
    expect(Object.keys(written().images ?? {})).toEqual(kept ? ['docker.io/library/alpine:latest'] : []);
  });

  it('locks the digest of every other image that a Dockerfile needs', async () => {
    tree.write('apps/a/prebuilt.json', '{"toolchain":{"name":"command"}}');
    tree.write(
      'apps/a/Dockerfile.release',
      [
        '# syntax=docker/dockerfile:1',
        'FROM unused AS unused',
        'FROM alpine AS tools',
        'RUN --mount=from=mounted,target=/x true',
        'FROM scratch',
        'COPY --from=tools /a /a',
        'COPY --from=copied /b /b',
      ].join('\n'),
    );
    await run({ hosts: [] });
    expect(Object.keys(written().images ?? {}).sort()).toEqual([
      'docker.io/docker/dockerfile:1',
      'docker.io/library/alpine:latest',
      'docker.io/library/copied:latest',
      'docker.io/library/mounted:latest',
    ]);
  });

  it('locks what the workspace’s programs need', async () => {
    tree.write('apps/a/index.ts', '');
    tree.write('apps/a/prebuilt.json', '{"toolchain":"bun","platforms":["linux/amd64"]}');
    tree.write('apps/b/src/main.ts', '');
    tree.write('apps/b/prebuilt.json', '{"platforms":["linux/arm64"],"sysrootPackages":["libgcc-s1"]}');
    await run();
    const lock = written();
    expect(lock).toMatchObject({ distribution: 'debian', bun: { version: '1.4.4' } });
    expect(Object.keys(lock.sysroots?.['linux/amd64'] ?? {})).toEqual(['base-files', 'libc6']);
    expect(Object.keys(lock.sysroots?.['linux/arm64'] ?? {})).toEqual(['base-files', 'libc6', 'libgcc-s1']);
    expect(Object.keys(lock.emulators?.['linux/amd64'] ?? {})).toEqual(['linux/arm64']);
  });

  it('locks neither Bun nor a C library for executables built by another target', async () => {
    tree.write('apps/a/prebuilt.json', '{"toolchain":{"name":"import","files":"out/{platform}/a"}}');
    await run({ hosts: [] });
    expect(written()).toEqual({ lockVersion: 1 });
    expect(asked).toEqual([]);
  });

  it.each<[string, string, object, readonly string[]]>([
    ['static executables', 'go.mod', {}, []],
    ['dynamic executables', 'go.mod', { toolchain: { name: 'go', cgo: true } }, ['base-files', 'libc6']],
    ['dynamic executables that need a library', 'Cargo.toml', {}, ['base-files', 'libc6', 'libgcc-s1']],
  ])('locks exactly the packages for %s', async (_, file, configuration, packages) => {
    tree.write(`apps/a/${file}`, '');
    tree.write('apps/a/prebuilt.json', JSON.stringify({ platforms: ['linux/amd64'], ...configuration }));
    await run({ hosts: [] });
    expect(written().bun).toBeUndefined();
    expect(Object.keys(written().sysroots?.['linux/amd64'] ?? {})).toEqual(packages);
  });

  it('finds a target that uses the executor without a prebuilt.json', async () => {
    addProjectConfiguration(tree, 'c', {
      root: 'apps/c',
      targets: {
        compile: {
          executor: '@prebuilt/nx:build-binaries',
          options: { toolchain: { name: 'bun', entry: 'apps/c/main.ts' }, platforms: ['linux/amd64'] },
        },
      },
    });
    await run({ hosts: [] });
    expect(Object.keys(written().sysroots ?? {})).toEqual(['linux/amd64']);
  });

  it('changes nothing and looks up nothing the second time', async () => {
    tree.write('apps/a/src/main.ts', '');
    tree.write('apps/a/prebuilt.json', '{}');
    await run();
    const first = tree.read(LOCK_FILE, 'utf8');
    versions = { libc6: '2.36-10', bun: '1.5.0', image: 'a' };
    asked = [];
    await run();
    expect(tree.read(LOCK_FILE, 'utf8')).toBe(first);
    expect(asked).toEqual([]);
  });

  it('updates every entry with --refresh, even those that no program needs', async () => {
    tree.write('apps/a/src/main.ts', '');
    tree.write('apps/a/prebuilt.json', '{"platforms":["linux/amd64"]}');
    await run({ platforms: ['linux/s390x'], hosts: ['linux/arm64'] });
    versions = { libc6: '2.36-10', bun: '1.5.0', image: 'a' };
    await run({ refresh: true });
    const { bun, sysroots, emulators } = written();
    expect(bun?.version).toBe('1.5.0');
    expect(Object.values(sysroots ?? {}).map((packages) => packages.libc6?.version)).toEqual([
      '2.36-10',
      '2.36-10',
    ]);
    expect(Object.keys(emulators?.['linux/arm64'] ?? {})).toEqual(['linux/amd64', 'linux/s390x']);
  });

  it('refuses different C libraries on different platforms, and names the command to run', async () => {
    tree.write('apps/a/src/main.ts', '');
    tree.write('apps/a/prebuilt.json', '{"platforms":["linux/amd64"]}');
    await run();
    versions.libc6 = '2.36-10';
    await expect(run({ platforms: ['linux/arm64'] })).rejects.toThrow(
      /libc6: expected one version.*2\.36-9 on linux\/amd64.*2\.36-10 on linux\/arm64\n.*--refresh/,
    );
  });

  it('keeps the locked version of Bun unless another one is requested', async () => {
    tree.write('apps/a/src/main.ts', '');
    tree.write('apps/a/prebuilt.json', '{}');
    await run({ bunVersion: '1.3.0' });
    await run();
    expect(written().bun?.version).toBe('1.3.0');
    await run({ bunVersion: '1.4.4' });
    expect(written().bun?.version).toBe('1.4.4');
  });

  it('refuses a package name that apt would read as an option', async () => {
    tree.write('apps/a/prebuilt.json', '{"sysrootPackages":["-oDir::Etc=/tmp"]}');
    await expect(run()).rejects.toThrow('expected Debian package names, found ["-oDir::Etc=/tmp"]');
    expect(asked).toEqual([]);
  });

  it('refuses an invalid lock, and leaves it unchanged', async () => {
    tree.write(LOCK_FILE, '{"lockVersion":9}');
    await expect(run()).rejects.toThrow('LOCKFILE');
    expect(tree.read(LOCK_FILE, 'utf8')).toBe('{"lockVersion":9}');
  });
});

describe('the table of changes', () => {
  it('shows old and new versions, or the hashes if only they differ', () => {
    const before: Lock = { lockVersion: 1, data: { tzdata: debian('2026a', 'all') } };
    const after: Lock = {
      lockVersion: 1,
      data: {
        tzdata: { ...debian('2026a', 'all'), sha256: 'f'.repeat(64) },
        'ca-certificates': debian('1', 'all'),
      },
    };
    expect(formatChanges(compareLocks(before, after)).split('\n')).toEqual([
      'what             old                          new',
      'ca-certificates  -                            1',
      `tzdata           2026a (${'0'.repeat(19)})  2026a (${'f'.repeat(19)})`,
    ]);
    expect(compareLocks(after, after)).toEqual([]);
  });
});
