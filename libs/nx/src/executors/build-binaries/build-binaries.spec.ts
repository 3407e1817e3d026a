import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type FixtureWorkspace, fixtureWorkspace, REPOSITORY } from '../../../testing/fixture-workspace.ts';
import { parseChecksums } from '../../artifacts/checksums.ts';
import { readManifest } from '../../artifacts/manifest.ts';
import { hostPlatform } from '../../artifacts/platform.ts';
import { readLock } from '../../lock/lock.ts';
import { DEFAULT_TAG_PATTERN } from '../../version/tag-pattern.ts';
import type { BuildBinariesOptions } from './options.ts';
import { type BuildPlan, planBuild } from './plan.ts';
import { runBuild } from './run.ts';

const PROGRAM = `
import { helper } from './helper.ts';
console.log(helper(), process.env.RELEASE_VERSION, process.env.HOSTILE ?? 'clean');
`;
const FILES = { 'app/main.ts': PROGRAM, 'app/helper.ts': `export const helper = (): string => 'hello';\n` };

const OPTIONS: BuildBinariesOptions = {
  name: 'hello',
  platforms: ['linux/amd64', 'linux/arm64'],
  toolchain: { name: 'bun', entry: 'app/main.ts' },
  outputPath: 'dist/bin',
  sysrootPackages: [],
  dryRun: false,
};
const HEAD = { revision: '0123456789abcdef0123456789abcdef01234567', date: 1_700_000_000 };
const LOCK = await readLock(REPOSITORY);
const RELEASE = {
  version: { releaseVersion: 'v1.2.3', tagsAtHead: [], tagPattern: DEFAULT_TAG_PATTERN, head: HEAD },
  lock: LOCK,
};

const open: FixtureWorkspace[] = [];
async function workspace(): Promise<FixtureWorkspace> {
  const made = await fixtureWorkspace(FILES);
  open.push(made);
  return made;
}
afterAll(() => Promise.all(open.map((each) => each.remove())));

function build(root: string, change: Partial<BuildBinariesOptions> = {}): Promise<unknown> {
  return runBuild(planBuild({ ...OPTIONS, ...change }, root, RELEASE), root, () => {});
}

describe('a build', () => {
  let first: FixtureWorkspace;
  let bin: string;
  beforeAll(async () => {
    first = await workspace();
    bin = join(first.root, 'dist/bin');
    await build(first.root);
  });

  it('a build leaves only the executables, their runtime folders, the manifest and the checksums', async () => {
    expect((await readdir(bin)).sort()).toEqual([
      'checksums.txt',
      'hello-linux-amd64',
      'hello-linux-arm64',
      'manifest.json',
      'runtime-linux-amd64',
      'runtime-linux-arm64',
    ]);
    expect(await readdir(join(first.root, 'dist'))).toEqual(['bin']);
    expect((await stat(join(bin, 'hello-linux-arm64'))).mode & 0o7777).toBe(0o755);
  });

  it('the manifest of a build describes what is on disk', async () => {
    const { manifest } = await readManifest(bin);
    expect(manifest).toMatchObject({
      name: 'hello',
      version: '1.2.3',
      revision: HEAD.revision,
      sourceDateEpoch: HEAD.date,
      toolchain: { name: 'bun', version: '1.4.4' },
    });
    for (const artifact of manifest.platforms) {
      const content = await readFile(join(bin, artifact.path));
      expect(createHash('sha256').update(content).digest('hex')).toBe(artifact.sha256);
      expect(content.length).toBe(artifact.size);
      for (const file of artifact.runtime.files) {
        const runtimeFile = await readFile(join(bin, artifact.runtime.path, file.path));
        expect(createHash('sha256').update(runtimeFile).digest('hex')).toBe(file.sha256);
      }
      expect(artifact.runtime.files.map(({ path }) => path)).toContain(artifact.elf.interpreter?.slice(1));
    }
    const checksums = parseChecksums(await readFile(join(bin, 'checksums.txt'), 'utf8'), 'checksums.txt');
    expect(checksums).toEqual(manifest.platforms.map(({ sha256, path }) => ({ sha256, path })));
    expect(spawnSync('sha256sum', ['--check', 'checksums.txt'], { cwd: bin }).status).toBe(0);
  });

  it('the manifest names the package and version of every runtime file from the C library', async () => {
    const { manifest } = await readManifest(bin);
    for (const { runtime } of manifest.platforms) {
      const libc = runtime.files.find(({ path }) => path.endsWith('/libc.so.6'));
      expect(libc?.package).toMatchObject({ name: 'libc6', version: expect.stringMatching(/^\d/) });
      expect(runtime.files.map(({ path }) => path)).toEqual(
        expect.arrayContaining([
          'etc/os-release',
          'usr/share/doc/libc6/copyright',
          'var/lib/dpkg/status.d/libc6',
        ]),
      );
    }
    const versions = manifest.platforms.flatMap(({ runtime }) =>
      runtime.files.flatMap((file) => (file.package?.name === 'libc6' ? [file.package.version] : [])),
    );
    expect(new Set(versions).size).toBe(1);
  });

  it('a build embeds the version, and the program runs nothing from a hostile working directory', async () => {
    const hostile = join(first.root, 'hostile');
    await mkdir(hostile);
    await writeFile(join(hostile, '.env'), 'HOSTILE=env\n');
    await writeFile(join(hostile, 'bunfig.toml'), 'preload = ["./preload.ts"]\n');
    await writeFile(join(hostile, 'preload.ts'), `process.env.HOSTILE = 'preload';\n`);
    await writeFile(join(hostile, 'tsconfig.json'), '{ broken');
    await writeFile(join(hostile, 'package.json'), '{ broken');
    const host = hostPlatform(process.platform, process.arch);
    const { manifest } = await readManifest(bin);
    const artifact = manifest.platforms.find(({ platform }) => platform === host);
    if (artifact === undefined)
      throw new Error(`this test needs a Linux machine of amd64 or arm64, not ${host}`);
    const runtime = join(bin, artifact.runtime.path);
    const loader = join(runtime, artifact.elf.interpreter ?? '');
    const libraries = artifact.runtime.files
      .filter(({ path }) => path.includes('.so'))
      .map(({ path }) => join(runtime, path, '..'));
    const result = spawnSync(
      loader,
      ['--library-path', [...new Set(libraries)].join(':'), join(bin, artifact.path)],
      { cwd: hostile, encoding: 'utf8' },
    );
    expect(result).toMatchObject({ status: 0, stdout: 'hello 1.2.3 clean\n' });
  });

  it('a build in another folder gives the same bytes', async () => {
    const second = await workspace();
    await build(second.root, { platforms: ['linux/arm64', 'linux/amd64'] });
    expect(await readFile(join(second.root, 'dist/bin/manifest.json'), 'utf8')).toBe(
      await readFile(join(bin, 'manifest.json'), 'utf8'),
    );
  });
});

describe('a failed build', () => {
  afterEach(async () => {
    for (const { root } of open) {
      const left = existsSync(join(root, 'dist')) ? await readdir(join(root, 'dist')) : [];
      expect(left.filter((name) => name !== 'bin')).toEqual([]);
    }
  });

  it("a failed build shows the compiler's message and keeps the previous build", async () => {
    const { root, write } = await workspace();
    await write('dist/bin/checksums.txt', 'kept');
    await write('app/main.ts', `import { x } from './absent.ts';\nx();\n`);
    await expect(build(root)).rejects.toMatchObject({
      code: 'COMPILE_FAILED',
      message: expect.stringContaining('./absent.ts'),
    });
    expect(await readdir(join(root, 'dist/bin'))).toEqual(['checksums.txt']);
  });

  it('a failed build names a missing program', async () => {
    const { root } = await workspace();
    await expect(build(root, { toolchain: { name: 'bun', entry: 'app/absent.ts' } })).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining(join(root, 'app/absent.ts')),
    });
  });

  it('a failed build names the folder of a missing sysroot', async () => {
    const { root } = await workspace();
    await expect(build(root, { sysroot: 'nowhere' })).rejects.toMatchObject({
      code: 'SYSROOT',
      message: expect.stringContaining(join(root, 'nowhere/linux-amd64')),
      hint: expect.stringContaining('prebuilt.lock.json'),
    });
  });

  it('a failed build lists everything that the sysroot lacks', async () => {
    const { root, write } = await workspace();
    await write('empty/linux-amd64/keep', '');
    await write('empty/linux-arm64/keep', '');
    await expect(build(root, { sysroot: 'empty' })).rejects.toMatchObject({
      code: 'SYSROOT',
      message: expect.stringMatching(/ld-linux-x86-64\.so\.2.*libc\.so\.6.*libm\.so\.6/),
    });
  });

  it('a build that is stopped by SIGINT keeps the previous build', async () => {
    const { root, write } = await workspace();
    await write('dist/bin/checksums.txt', 'kept');
    const plan: BuildPlan = planBuild(OPTIONS, root, RELEASE);
    const source = `
      import { runBuild } from ${JSON.stringify(join(import.meta.dirname, 'run.ts'))};
      const building = runBuild(${JSON.stringify(plan)}, ${JSON.stringify(root)}, () => {});
      setTimeout(() => console.log('started'), 500);
      await building.catch((error) => { console.log(error.code); process.exitCode = 3; });
    `;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (data) => {
      if (output === '') child.kill('SIGINT');
      output += data;
    });
    const [status] = await once(child, 'close');
    expect({ status, output }).toEqual({ status: 3, output: 'started\nINTERRUPTED\n' });
    expect(await readdir(join(root, 'dist/bin'))).toEqual(['checksums.txt']);
    expect((await readdir(root)).sort()).toEqual(['.cache', 'app', 'dist', 'prebuilt.lock.json']);
  });
});

describe('planBuild', () => {
  const plan = (change: Partial<BuildBinariesOptions>, releaseVersion?: string): BuildPlan =>
    planBuild({ ...OPTIONS, ...change }, '/workspace', {
      ...RELEASE,
      version: { ...RELEASE.version, releaseVersion },
    });

  it('planBuild refuses a folder with the build of another program', () => {
    const withFormer = (former: string) => () => planBuild(OPTIONS, '/workspace', { ...RELEASE, former });
    expect(withFormer('tool')).toThrow(
      expect.objectContaining({ code: 'OUTPUT', message: expect.stringContaining('found a build of tool') }),
    );
    expect(withFormer(OPTIONS.name)).not.toThrow();
  });

  it('planBuild sorts the platforms, so that their order in the options changes nothing', () => {
    expect(
      plan({ platforms: ['linux/arm64', 'linux/x86_64'] }).platforms.map(({ platform }) => platform),
    ).toEqual(['linux/amd64', 'linux/arm64']);
  });

  it('planBuild puts neither commit nor date into a development build', () => {
    expect(plan({})).toMatchObject({ version: '0.0.0-dev', revision: null, sourceDateEpoch: 0 });
  });

  it.each(['v1', '1.2', '1.2.3; id', '../x', '1'.repeat(300), '01.2.3', ' 1.2.3', '1.2.3-'])(
    'planBuild refuses the version %j before any work',
    (version) => {
      expect(() => plan({}, version)).toThrow(expect.objectContaining({ code: 'INVALID_VERSION' }));
    },
  );

  it.each(['..', '../dist', '/tmp/dist', '.', ''])('planBuild refuses the output folder %j', (outputPath) => {
    expect(() => plan({ outputPath })).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }));
  });

  it('planBuild refuses an unknown platform', () => {
    expect(() => plan({ platforms: ['linux/pdp11'] })).toThrow(
      expect.objectContaining({ code: 'INVALID_PLATFORM' }),
    );
  });
});
