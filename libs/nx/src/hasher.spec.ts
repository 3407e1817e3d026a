import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { HasherContext, ProjectGraph, Task, TaskGraph } from '@nx/devkit';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { REPOSITORY } from '../testing/fixture-workspace.ts';
import { sampleManifest } from '../testing/sample-manifest.ts';
import { formatManifest } from './artifacts/manifest.ts';
import { hostPlatform } from './artifacts/platform.ts';
import { expectImage, hashTask } from './hasher.ts';
import { artifactsOf } from './keys/artifacts.ts';
import { emulatorPath } from './lock/emulator.ts';
import { CACHE_FOLDER, readLock } from './lock/lock.ts';
import { PACKAGE } from './package.ts';

const projectGraph: ProjectGraph = {
  dependencies: {},
  nodes: {
    release: {
      type: 'app',
      name: 'release',
      data: {
        root: 'tools/release',
        targets: {
          build: { outputs: ['{workspaceRoot}/dist/bin'] },
          verify: { dependsOn: ['build'], outputs: ['{workspaceRoot}/dist/verify', '{projectRoot}/log'] },
          image: { dependsOn: [{ target: 'verify' }, '^build'], outputs: ['{workspaceRoot}/dist/oci'] },
        },
      },
    },
  },
};

// biome-ignore lint/suspicious/noExplicitAny: tests change these files freely.
type Json = any;

const PLAIN_TASK: Task = {
  id: 'release:verify',
  target: { project: 'release', target: 'verify' },
  overrides: {},
  outputs: [],
  parallelism: true,
  cache: true,
};

describe('artifactsOf', () => {
  it.each([
    ['build', []],
    ['verify', ['dist/bin']],
    ['image', ['dist/bin', 'dist/verify']],
    ['absent', []],
  ])('artifactsOf %s lists the outputs of the preceding targets', (target, folders) => {
    expect(artifactsOf('release', target, projectGraph)).toEqual(folders);
  });
});

describe('hashTask', () => {
  let root: string;
  const hashAfter = async (
    dependencies: readonly string[],
    root: string,
    change: Partial<Task> = {},
    value = 'nx',
  ) => {
    const task: Task = { ...PLAIN_TASK, ...change };
    const taskGraph: TaskGraph = {
      roots: [],
      tasks: { [task.id]: task },
      dependencies: { [task.id]: [...dependencies] },
      continuousDependencies: {},
    };
    const hasher = {
      hashTask: async () => ({ value, details: { command: '', nodes: {} } }),
      hashTasks: async () => [],
    };
    return (await hashTask(task, { hasher, taskGraph, projectGraph }, root)).value;
  };
  const alone = () => hashAfter([], root);
  const executable = () => join(root, 'dist/bin/app');

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'hasher-'));
    await mkdir(join(root, 'dist/bin'), { recursive: true });
    await writeFile(executable(), 'content', { mode: 0o755 });
  });
  afterEach(() => rm(root, { recursive: true }));

  it('hashTask follows Nx’s own hash', async () => {
    expect(await hashAfter(['release:build'], root)).toBe(await hashAfter(['release:build'], root));
    expect(await hashAfter(['release:build'], root, {}, 'other')).not.toBe(
      await hashAfter(['release:build'], root),
    );
  });

  it('hashTask ignores artifacts in a run that includes the preceding tasks', async () => {
    const before = await hashAfter(['release:build'], root);
    await writeFile(executable(), 'changed');
    expect(await hashAfter(['release:build'], root)).toBe(before);
  });

  it.each([{ dryRun: true }, { 'dry-run': true }])(
    'hashTask is different for every dry run (%o)',
    async (overrides) => {
      expect(await hashAfter(['release:build'], root, { overrides })).not.toBe(
        await hashAfter(['release:build'], root, { overrides }),
      );
    },
  );

  it('hashTask is the same for the same artifacts in a different folder', async () => {
    const before = await alone();
    const other = await mkdtemp(join(tmpdir(), 'hasher-'));
    try {
      await mkdir(join(other, 'dist/bin'), { recursive: true });
      await writeFile(join(other, 'dist/bin/app'), 'content', { mode: 0o755 });
      expect(await hashAfter([], other)).toBe(before);
    } finally {
      await rm(other, { recursive: true });
    }
  });

  it.each<[string, () => Promise<void>]>([
    ['a changed byte', () => writeFile(executable(), 'Content')],
    ['a different mode', () => chmod(executable(), 0o644)],
    ['an additional name', () => writeFile(join(root, 'dist/bin/other'), '')],
    ['an additional empty folder', () => mkdir(join(root, 'dist/bin/folder'))],
    ['no artifacts at all', () => rm(join(root, 'dist'), { recursive: true })],
    [
      'a link instead of a file',
      async () => {
        await writeFile(join(root, 'content'), 'content');
        await unlink(executable());
        await symlink('../../content', executable());
      },
    ],
  ])('hashTask in a run without the preceding tasks changes with %s', async (_, change) => {
    const before = await alone();
    await change();
    expect(await alone()).not.toBe(before);
  });

  it('hashTask in a run without the preceding tasks does not change with another task’s outputs', async () => {
    const before = await alone();
    await mkdir(join(root, 'dist/oci'));
    expect(await alone()).toBe(before);
  });
});

describe('the facts in a release’s cache key', () => {
  const TARGETS = ['build-binaries', 'verify', 'docker-release'] as const;
  const SERVER = {
    'build-binaries': { name: 'server', toolchain: { name: 'bun', entry: 'main.ts' } },
    verify: {},
    'docker-release': {},
  };
  const LOCK = join(REPOSITORY, 'prebuilt.lock.json');
  const PACKAGE_JSON = JSON.stringify({ license: 'MIT', repository: 'https://example.com/acme' });
  const BUILDERS = 'docker-config/buildx/instances';
  let root: string;
  const at = (path: string) => join(root, path);
  const git = (...args: readonly string[]) =>
    promisify(execFile)('git', [...GIT_AUTHOR, ...args], {
      cwd: root,
    });

  /** A docker client that reports a builder and an engine. */
  const docker = (
    told: {
      readonly buildx?: string;
      readonly engine?: string;
      readonly store?: string;
      readonly context?: string;
      readonly builder?: string;
    } = {},
  ) => {
    const { buildx = '0.13.1', engine = '28.5.2', context = 'default', builder = 'mine' } = told;
    const info = {
      ServerVersion: engine,
      DriverStatus: [['driver-type', told.store ?? 'io.containerd.snapshotter.v1']],
      ClientInfo: { Context: context, Plugins: [{ Name: 'buildx', Version: buildx }] },
    };
    const script = `#!/bin/sh
case "$*" in
  "buildx inspect"*) printf 'Name: %s\\nDriver: remote\\nBuildKit version: v0.17.0\\n' "\${3:-${builder}}";;
  info*) echo '${JSON.stringify(info)}';;
  version*) echo ${engine};;
esac
`;
    return writeFile(at('bin/docker'), script, { mode: 0o755 });
  };
  const edit = async (path: string, change: (data: Json) => void) => {
    const data = JSON.parse(await readFile(at(path), 'utf8'));
    change(data);
    await writeFile(at(path), JSON.stringify(data));
  };

  interface Run {
    readonly release?: object;
    readonly overrides?: Readonly<Record<string, unknown>>;
    readonly options?: Partial<Record<(typeof TARGETS)[number], object>>;
    readonly targets?: readonly (typeof TARGETS)[number][];
    /** The outputs of a preceding task; undefined if there is none. */
    readonly before?: readonly string[];
    /** Called when Nx is asked for its own hash. */
    readonly nx?: () => void;
  }

  async function keys({
    release,
    overrides = {},
    options = {},
    targets: asked = TARGETS,
    before,
    nx = () => {},
  }: Run = {}): Promise<Readonly<Record<string, string>>> {
    const targets = Object.fromEntries(
      TARGETS.map((name) => [
        name,
        { executor: `@prebuilt/nx:${name}`, options: { ...SERVER[name], ...options[name] } },
      ]),
    );
    const data = { root: 'apps/server', targets };
    const graph: ProjectGraph = {
      dependencies: {},
      nodes: { server: { type: 'app', name: 'server', data } },
    };
    const keyOf = async (name: (typeof TARGETS)[number]) => {
      const task: Task = {
        ...PLAIN_TASK,
        id: `server:${name}`,
        target: { project: 'server', target: name },
        overrides,
      };
      const context = {
        hasher: {
          hashTask: async () => {
            nx();
            return { value: 'nx', details: { command: '', nodes: {} } };
          },
          hashTasks: async () => [],
        },
        taskGraph: {
          roots: [],
          tasks:
            before === undefined ? {} : { before: { ...PLAIN_TASK, id: 'before', outputs: [...before] } },
          dependencies: before === undefined ? {} : { [task.id]: ['before'] },
          continuousDependencies: {},
        },
        projectGraph: graph,
        projectsConfigurations: { version: 2, projects: { server: data } },
        nxJsonConfiguration: (release === undefined
          ? {}
          : { release }) as HasherContext['nxJsonConfiguration'],
      };
      return [name, (await hashTask(task, context, root)).value] as const;
    };
    return Object.fromEntries(await Promise.all(asked.map(keyOf)));
  }

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'facts-'));
    await Promise.all(
      ['bin', 'sysroot/linux-amd64/lib', BUILDERS].map((path) => mkdir(at(path), { recursive: true })),
    );
    await writeFile(at('prebuilt.lock.json'), await readFile(LOCK));
    await writeFile(at('package.json'), PACKAGE_JSON);
    await writeFile(at('sysroot/linux-amd64/lib/libc.so.6'), 'libc');
    await docker();
    await git('init', '--quiet', '--initial-branch=main');
    await git('commit', '--quiet', '--allow-empty', '--message=first');
  });
  afterAll(() => rm(root, { recursive: true }));
  beforeEach(() => {
    vi.stubEnv('PATH', `${at('bin')}:/usr/bin:/bin`);
    vi.stubEnv('RELEASE_VERSION', '');
    vi.stubEnv('DOCKER_CONFIG', at('docker-config'));
  });
  afterEach(() => vi.unstubAllEnvs());

  const BUILD = ['build-binaries'];
  const VERIFY = ['verify'];
  const IMAGE = ['docker-release'];
  type Undo = () => Promise<unknown>;
  type Change = () => Promise<{ readonly run?: Run; readonly undo?: Undo }>;

  const inFile =
    (path: string, change: (data: Json) => void): Change =>
    async () => {
      const before = await readFile(at(path));
      await edit(path, change);
      return { undo: () => writeFile(at(path), before) };
    };
  const withEnv =
    (name: string, value: string): Change =>
    async () => {
      vi.stubEnv(name, value);
      return { undo: async () => vi.stubEnv(name, name === 'PATH' ? `${at('bin')}:/usr/bin:/bin` : '') };
    };
  const withFile =
    (path: string, content = 'x'): Change =>
    async () => {
      await writeFile(at(path), content, { mode: 0o755 });
      return { undo: () => rm(at(path)) };
    };
  const withLockedEmulator =
    (content?: string): Change =>
    async () => {
      const host = hostPlatform(process.platform, process.arch) ?? '';
      const [pin] = Object.values((await readLock(REPOSITORY)).emulators?.[host] ?? {});
      if (pin === undefined) throw new Error(`the lock has no emulator for ${host}`);
      const path = emulatorPath(at(CACHE_FOLDER), pin);
      await mkdir(dirname(path), { recursive: true });
      if (content !== undefined) await writeFile(path, content, { mode: 0o755 });
      else await copyFile(emulatorPath(join(REPOSITORY, CACHE_FOLDER), pin), path);
      return { undo: () => rm(path) };
    };
  const withTag =
    (tag: string, run: Run = {}): Change =>
    async () => {
      await git('tag', tag);
      return { run, undo: () => git('tag', '--delete', tag) };
    };
  const withDocker =
    (told: Parameters<typeof docker>[0]): Change =>
    async () => {
      await docker(told);
      return { undo: () => docker() };
    };
  const withRun =
    (run: Run): Change =>
    async () => ({ run });

  it.each<[string, Change, readonly string[]]>([
    ['RELEASE_VERSION', withEnv('RELEASE_VERSION', '1.2.3'), BUILD],
    ['a version tag at HEAD', withTag('v1.2.3'), BUILD],
    ['another project’s tag', withTag('tool@1.2.3'), []],
    ['a tag without a version', withTag('nightly'), []],
    [
      'a tag with the project’s own pattern',
      withTag('server@1.2.3', { release: { projectsRelationship: 'independent' } }),
      BUILD,
    ],
    [
      'a tag with another pattern',
      withTag('v1.2.4', { release: { projectsRelationship: 'independent' } }),
      [],
    ],
    [
      'a commit during development',
      async () => {
        await git('commit', '--quiet', '--allow-empty', '--message=next');
        return { undo: () => git('reset', '--quiet', '--hard', 'HEAD~1') };
      },
      [],
    ],
    [
      'the runtime’s entry in the lock',
      inFile('prebuilt.lock.json', (lock) => {
        lock.bun.packages['@oven/bun-linux-aarch64'].sha256 = 'a'.repeat(64);
      }),
      BUILD,
    ],
    [
      'the C library’s entry in the lock',
      inFile('prebuilt.lock.json', (lock) => {
        lock.sysroots['linux/arm64'].libc6.sha256 = 'a'.repeat(64);
      }),
      BUILD,
    ],
    [
      'the entry of a compiler for another machine',
      inFile('prebuilt.lock.json', (lock) => {
        lock.bun.packages['@oven/bun-darwin-x64'].sha256 = 'a'.repeat(64);
      }),
      [],
    ],
    [
      'the entry of a platform that is not built',
      inFile('prebuilt.lock.json', (lock) => {
        lock.sysroots['linux/riscv64'] = lock.sysroots['linux/arm64'];
      }),
      [],
    ],
    ['fewer platforms', withRun({ options: { 'build-binaries': { platforms: ['linux/arm64'] } } }), BUILD],
    ['another sysroot', withRun({ options: { 'build-binaries': { sysroot: 'sysroot' } } }), BUILD],
    ['the lock’s emulator after fetching it', withLockedEmulator(), VERIFY],
    ['the lock’s emulator replaced by another file', withLockedEmulator('altered'), VERIFY],
    ['an emulator that appears in PATH', withFile('bin/qemu-riscv64-static'), VERIFY],
    ['an emulator for any of the eight platforms', withFile('bin/qemu-s390x'), VERIFY],
    ['another program in PATH', withFile('bin/qemu-img'), []],
    ['an emulator from QEMU_DIR', withEnv('QEMU_DIR', '/nonexistent'), []],
    [
      'the repository in package.json',
      inFile('package.json', (data) => {
        data.repository = 'https://example.com/other';
      }),
      IMAGE,
    ],
    [
      'the same repository in a different notation',
      inFile('package.json', (data) => {
        data.repository = { type: 'git', url: 'git+https://example.com/acme.git' };
      }),
      [],
    ],
    [
      'the license in package.json',
      inFile('package.json', (data) => {
        data.license = 'Apache-2.0';
      }),
      IMAGE,
    ],
    [
      'another field in package.json',
      inFile('package.json', (data) => {
        data.description = 'other';
      }),
      [],
    ],
    ['the version of buildx', withDocker({ buildx: '0.14.0' }), IMAGE],
    ['the version of the engine', withDocker({ engine: '27.0.0' }), IMAGE],
    ['the engine’s image store', withDocker({ store: 'overlay2' }), IMAGE],
    ['the docker context', withDocker({ context: 'rootless' }), IMAGE],
    ['a builder that was created', withFile(`${BUILDERS}/mine`), IMAGE],
    ['BUILDX_BUILDER', withEnv('BUILDX_BUILDER', 'farm'), IMAGE],
    ['the folder of builders', withEnv('BUILDX_CONFIG', '/dev/null'), IMAGE],
    ['a builder on the command line', withRun({ overrides: { builderName: 'farm' } }), IMAGE],
    ['a builder on the command line, with dashes', withRun({ overrides: { 'builder-name': 'farm' } }), IMAGE],
    ['the daemonless builder', withRun({ overrides: { builder: 'daemonless' } }), IMAGE],
    [
      'a docker client that is gone',
      async () => {
        await rm(at('bin/docker'));
        return { undo: () => docker() };
      },
      IMAGE,
    ],
    ['a version that can’t be read', withEnv('RELEASE_VERSION', 'next'), BUILD],
    [
      'the plugin’s own version',
      async () => {
        const plugin: { version: string } = PACKAGE;
        const { version } = plugin;
        plugin.version = '99.0.0';
        return {
          undo: async () => {
            plugin.version = version;
          },
        };
      },
      TARGETS,
    ],
  ])('the facts in a release’s cache key follow %s', async (_, change, expected) => {
    const before = await keys();
    const { run, undo } = await change();
    const after = await keys(run);
    expect(TARGETS.filter((name) => before[name] !== after[name])).toEqual(expected);
    await undo?.();
    expect(await keys()).toEqual(before);
  });

  it('the facts in a release’s cache key follow the current builder', async () => {
    await writeFile(at(`${BUILDERS}/mine`), '');
    const before = await keys();
    await docker({ builder: 'other' });
    const after = await keys();
    await docker();
    expect(TARGETS.filter((name) => before[name] !== after[name])).toEqual(IMAGE);
    expect(await keys()).toEqual(before);
    await rm(at(`${BUILDERS}/mine`));
  });

  it('the facts in a release’s cache key do not follow the engine with the daemonless builder', async () => {
    const daemonless: Run = { overrides: { builder: 'daemonless' } };
    const before = await keys(daemonless);
    await docker({ engine: '26.1.5', buildx: '0.14.0' });
    const after = await keys(daemonless);
    await docker();
    expect(after).toEqual(before);
  });

  it('the facts in a release’s cache key are unique if one can’t be read, so that the executor runs and reports why', async () => {
    vi.stubEnv('RELEASE_VERSION', 'next');
    const [one, other] = [await keys(), await keys()];
    expect(one['build-binaries']).not.toBe(other['build-binaries']);
    expect(one.verify).toBe(other.verify);
  });

  it('the facts in a release’s cache key follow the Dockerfile that the options specify', async () => {
    const named: Run = { overrides: { dockerfile: 'Dockerfile.other' } };
    await writeFile(at('Dockerfile.other'), 'FROM scratch\nCOPY app /app\n');
    const before = await keys(named);
    expect(await keys(named)).toEqual(before);
    await writeFile(at('Dockerfile.other'), 'FROM scratch\nCOPY app /other\n');
    const after = await keys(named);
    await rm(at('Dockerfile.other'));
    expect(TARGETS.filter((name) => before[name] !== after[name])).toEqual(IMAGE);
  });

  it.each<[string, string, readonly string[], string?]>([
    ['the base', 'docker.io/library/alpine:3', IMAGE],
    ['an image that files are copied from', 'docker.io/library/certs:1', IMAGE],
    ['the Dockerfile’s frontend', 'docker.io/docker/dockerfile:1', IMAGE],
    [
      'an image that files are copied from, onto scratch',
      'docker.io/library/certs:1',
      IMAGE,
      'FROM scratch\nCOPY --from=certs:1 /etc/ssl /etc/ssl\n',
    ],
    [
      'the frontend of a Dockerfile that starts from scratch',
      'docker.io/docker/dockerfile:1',
      IMAGE,
      '# syntax=docker/dockerfile:1\nFROM scratch\nCOPY app /app\n',
    ],
    ['an image in another Dockerfile', 'docker.io/library/debian:12', []],
  ])(
    'the facts in a release’s cache key follow the lock entry of %s, which a refresh updates',
    async (_, line, expected, dockerfile) => {
      const named: Run = { overrides: { dockerfile: 'Dockerfile.based' } };
      const before = await readFile(at('prebuilt.lock.json'));
      const pin = (digit: string, names: readonly string[]) =>
        edit('prebuilt.lock.json', (lock) => {
          lock.images = { ...lock.images };
          for (const name of names) lock.images[name] = `sha256:${digit.repeat(64)}`;
        });
      await writeFile(
        at('Dockerfile.based'),
        dockerfile ??
          '# syntax=docker/dockerfile:1\nFROM alpine:3\nCOPY --from=certs:1 /etc/ssl /etc/ssl\nCOPY app /app\n',
      );
      await pin(
        'a',
        ['alpine:3', 'certs:1', 'debian:12'].map((name) => `docker.io/library/${name}`),
      );
      await pin('a', ['docker.io/docker/dockerfile:1']);
      const locked = await keys(named);
      expect(await keys(named)).toEqual(locked);
      await pin('b', [line]);
      const moved = await keys(named);
      await rm(at('Dockerfile.based'));
      await writeFile(at('prebuilt.lock.json'), before);
      expect(TARGETS.filter((name) => locked[name] !== moved[name])).toEqual(expected);
    },
  );

  it('the facts in a release’s cache key follow only emulators of platforms that were built, after a build', async () => {
    await mkdir(at('dist/bin'), { recursive: true });
    await writeFile(at('dist/bin/manifest.json'), formatManifest(sampleManifest));
    const before = await keys();
    await writeFile(at('bin/qemu-s390x'), 'x', { mode: 0o755 });
    const other = await keys();
    await rm(at('bin/qemu-s390x'));
    await rm(at('dist'), { recursive: true });
    expect(other).toEqual(before);
  });

  describe('in a run with the preceding tasks', () => {
    const OUTPUTS = ['dist/bin', 'dist/verify'];
    const changed = async (run: Run, folder: string): Promise<readonly string[]> => {
      const file = at(`${folder}/content`);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, 'one');
      const first = await keys({ before: OUTPUTS, ...run });
      await writeFile(file, 'two');
      const second = await keys({ before: OUTPUTS, ...run });
      await writeFile(file, 'one');
      const again = await keys({ before: OUTPUTS, ...run });
      await rm(at(folder.split('/')[0] ?? ''), { recursive: true });
      expect(again).toEqual(first);
      return TARGETS.filter((name) => first[name] !== second[name]);
    };

    it.each<[string, Run, string, readonly string[]]>([
      ['--inputPath', { overrides: { inputPath: 'mine/bin' } }, 'mine/bin', ['verify', 'docker-release']],
      [
        '--input-path',
        { overrides: { 'input-path': './mine/bin/' } },
        'mine/bin',
        ['verify', 'docker-release'],
      ],
      ['--verifyPath', { overrides: { verifyPath: 'mine/verify' } }, 'mine/verify', IMAGE],
      ['the target’s own options', { options: { verify: { inputPath: 'mine' } } }, 'mine', VERIFY],
      [
        'a default folder that no task writes',
        { before: ['dist/verify'] },
        'dist/bin',
        ['verify', 'docker-release'],
      ],
      [
        '--inputPath next to a folder with a similar name',
        { overrides: { inputPath: 'dist/bin2' } },
        'dist/bin2',
        ['verify', 'docker-release'],
      ],
    ])(
      'the facts in a release’s cache key follow the content of the folder set by %s',
      async (_, run, folder, expected) => {
        expect(await changed(run, folder)).toEqual(expected);
      },
    );

    it.each<[string, Run, string]>([
      ['a task in the run writes', {}, 'dist/bin'],
      ['is inside such a folder', { overrides: { inputPath: 'dist/bin/inner' } }, 'dist/bin/inner'],
    ])(
      'the facts in a release’s cache key leave it to Nx to hash a folder that %s',
      async (_, run, folder) => {
        expect(await changed(run, folder)).toEqual([]);
      },
    );
  });

  it('the facts in a release’s cache key are read from workspace files before asking Nx, whose daemon is slow while files are opened', async () => {
    const before = await keys();
    const lock = await readFile(LOCK);
    for (const target of TARGETS) {
      const nx = vi.fn(() => {
        writeFileSync(at('prebuilt.lock.json'), '{"lockVersion":1}');
        writeFileSync(at('package.json'), '{}');
      });
      const after = await keys({ targets: [target], nx });
      await writeFile(at('prebuilt.lock.json'), lock);
      await writeFile(at('package.json'), PACKAGE_JSON);
      expect(nx).toHaveBeenCalledOnce();
      expect(after).toEqual({ [target]: before[target] });
    }
  });

  it('docker is asked once for all images in a run, in parallel with its first task, and again after two seconds', async () => {
    const names = ['one', 'two'];
    const tasks = names.flatMap((project) =>
      (['verify', 'docker-release'] as const).map((target): Task => {
        return { ...PLAIN_TASK, id: `${project}:${target}`, target: { project, target } };
      }),
    );
    const data = (root: string) => ({
      root,
      targets: Object.fromEntries(
        TARGETS.map((name) => [name, { executor: `@prebuilt/nx:${name}`, options: {} }]),
      ),
    });
    const context = {
      hasher: {
        hashTask: async () => ({ value: 'nx', details: { command: '', nodes: {} } }),
        hashTasks: async () => [],
      },
      taskGraph: {
        roots: [],
        tasks: Object.fromEntries(tasks.map((task) => [task.id, task])),
        dependencies: {},
        continuousDependencies: {},
      },
      projectGraph: {
        dependencies: {},
        nodes: Object.fromEntries(
          names.map((name) => [name, { type: 'app' as const, name, data: data(`apps/${name}`) }]),
        ),
      },
    };
    await writeFile(at('bin/docker'), `#!/bin/sh\necho "$1" >> ${at('asked')}\n`, { mode: 0o755 });
    const asked = async () =>
      (await readFile(at('asked'), 'utf8').catch(() => '')).split('\n').filter(Boolean).sort();
    const now = vi.spyOn(performance, 'now').mockReturnValue(0);
    await hashTask(tasks[0] as Task, context, root);
    await vi.waitFor(async () => expect(await asked()).toEqual(['info']), 10_000);
    for (const task of tasks) await hashTask(task, context, root);
    expect(await asked()).toEqual(['info']);
    now.mockReturnValue(2_001);
    for (const task of tasks) await hashTask(task, context, root);
    expect(await asked()).toEqual(['info', 'info']);
    await writeFile(at(`${BUILDERS}/mine`), '');
    now.mockReturnValue(4_002);
    for (const task of tasks) await hashTask(task, context, root);
    expect(await asked()).toEqual(['buildx', 'info', 'info', 'info']);
    await rm(at(`${BUILDERS}/mine`));
    // When Nx loads the hasher of an image, before there are tasks.
    now.mockReturnValue(8_000);
    expectImage();
    now.mockReturnValue(9_999);
    const later = { ...context, taskGraph: { ...context.taskGraph } };
    for (const task of tasks) await hashTask(task, later, root);
    expect(await asked()).toEqual(['buildx', 'info', 'info', 'info', 'info']);
    now.mockReturnValue(10_001);
    for (const task of tasks) await hashTask(task, later, root);
    expect(await asked()).toEqual(['buildx', 'info', 'info', 'info', 'info', 'info']);
    now.mockRestore();
    await rm(at('asked'));
    await docker();
  });

  describe('in a run of the whole chain', () => {
    const OUTPUTS = { 'build-binaries': 'dist/bin', verify: 'dist/verify', 'docker-release': 'dist/oci' };
    const PLAIN = ['{projectRoot}/Dockerfile.release', { dependentTasksOutputFiles: '**/*.json' }];
    interface Chain {
      readonly inputs?: readonly unknown[];
      /** Called before the task is hashed. */
      readonly before?: Partial<Record<(typeof TARGETS)[number], () => unknown>>;
      /** Whether Nx can't hash several tasks at once. */
      readonly refused?: boolean;
    }

    /** The keys of all three tasks, in order as in a run of Nx, and the tasks of each request to Nx. */
    const run = async ({ inputs = PLAIN, before = {}, refused = false }: Chain = {}) => {
      const targets = Object.fromEntries(
        TARGETS.map((name) => [
          name,
          { executor: `@prebuilt/nx:${name}`, options: SERVER[name], inputs: inputs as string[] },
        ]),
      );
      const asked: string[][] = [];
      const hashOf = ({ target }: Task) => {
        return { value: `nx ${target.target}`, details: { command: '', nodes: {} } };
      };
      const tasks = TARGETS.map((name): Task => {
        const target = { project: 'server', target: name };
        return { ...PLAIN_TASK, id: `server:${name}`, target, outputs: [OUTPUTS[name]] };
      });
      const context = {
        hasher: {
          hashTask: async (task: Task) => {
            asked.push([task.target.target]);
            return hashOf(task);
          },
          hashTasks: async (several: Task[]) => {
            asked.push(several.map(({ target }) => target.target));
            if (refused) throw new Error('not several');
            return several.map(hashOf);
          },
        },
        taskGraph: {
          roots: ['server:build-binaries'],
          tasks: Object.fromEntries(tasks.map((task) => [task.id, task])),
          dependencies: {
            'server:build-binaries': [],
            'server:verify': ['server:build-binaries'],
            'server:docker-release': ['server:build-binaries', 'server:verify'],
          },
          continuousDependencies: {},
        },
        projectGraph: {
          dependencies: {},
          nodes: { server: { type: 'app' as const, name: 'server', data: { root: 'apps/server', targets } } },
        },
      };
      const values: string[] = [];
      for (const task of tasks) {
        await before[task.target.target as (typeof TARGETS)[number]]?.();
        values.push((await hashTask(task, context, root)).value);
      }
      return { values, asked };
    };
    const all = [...TARGETS];
    const each = TARGETS.map((name) => [name]);
    /** The keys if Nx is asked for each task in its turn. */
    const inTurn = () => run({ inputs: [...PLAIN, { runtime: 'true' }] });

    beforeEach(async () => {
      for (const folder of ['dist/bin', 'dist/verify']) await mkdir(at(folder), { recursive: true });
      await writeFile(at('dist/bin/manifest.json'), formatManifest(sampleManifest));
      await writeFile(at('dist/verify/linux-amd64.json'), '{}');
    });
    afterEach(() => rm(at('dist'), { recursive: true }));

    it('Nx is asked once for the whole chain if the preceding tasks leave their outputs as they were', async () => {
      const { values, asked } = await run();
      expect(asked).toEqual([all]);
      expect((await inTurn()).asked).toEqual(each);
      expect(values).toEqual((await inTurn()).values);
    });

    it.each<[string, Chain, readonly (readonly string[])[]]>([
      [
        'a task writes other outputs',
        { before: { verify: () => writeFile(at('dist/bin/manifest.json'), '{}') } },
        [all, ['verify', 'docker-release']],
      ],
      [
        'a task adds an output',
        { before: { 'docker-release': () => writeFile(at('dist/verify/linux-arm64.json'), '{}') } },
        [all, ['docker-release']],
      ],
      [
        'a task takes two seconds',
        {
          before: {
            verify: () => vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 2_001),
            'docker-release': () => vi.mocked(performance.now).mockRestore(),
          },
        },
        [all, ['verify', 'docker-release']],
      ],
      [
        'there is no build yet',
        { before: { 'build-binaries': () => rm(at('dist/bin/manifest.json')) } },
        [all],
      ],
      [
        'an output folder does not exist yet',
        {
          before: {
            'build-binaries': () => rm(at('dist/verify'), { recursive: true }),
            'docker-release': () => mkdir(at('dist/verify')),
          },
        },
        [['build-binaries', 'verify'], ['docker-release']],
      ],
      ['an input is part of the environment', { inputs: [{ env: 'CI' }] }, each],
      [
        'Nx can’t hash several tasks at once',
        { refused: true },
        [all, ['build-binaries'], ['verify', 'docker-release'], ['verify'], ['docker-release']],
      ],
    ])('Nx is asked again if %s', async (_, chain, expected) => {
      const { values, asked } = await run(chain);
      expect(asked).toEqual(expected);
      expect(values).toEqual((await inTurn()).values);
    });
  });
});
