import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { NxJsonConfiguration } from '@nx/devkit';
import { buildElf } from '@prebuilt/testing/elf';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { REPOSITORY } from '../../testing/fixture-workspace.ts';
import { sampleManifest } from '../../testing/sample-manifest.ts';
import { formatManifest, MANIFEST_FILE } from '../artifacts/manifest.ts';
import { createNodes } from '../plugin.ts';
import { TOOLCHAINS } from '../toolchains/index.ts';

/** A user's mistake, and the single message that they get. */
interface Refusal {
  /** The prebuilt.json of apps/server, instead of `{}`. */
  readonly prebuilt?: unknown;
  /** Additional files by path, relative to the workspace root; null to remove one. */
  readonly files?: Readonly<Record<string, unknown>>;
  /** Symbolic links by path. */
  readonly links?: Readonly<Record<string, string>>;
  readonly pluginOptions?: unknown;
  readonly nxJson?: NxJsonConfiguration;
  readonly environment?: Readonly<Record<string, string>>;
  /** The target to run. */
  readonly target?: string;
  /** The expected message. */
  readonly says: string;
}

const LOCK = JSON.parse(await readFile(join(REPOSITORY, 'prebuilt.lock.json'), 'utf8'));
const { bun: _, ...LOCK_WITHOUT_BUN } = LOCK;
const without = (name: string) => ({
  ...LOCK,
  bun: {
    ...LOCK.bun,
    packages: Object.fromEntries(Object.entries(LOCK.bun.packages).filter(([each]) => each !== name)),
  },
});
/** A program with the toolchain `command`. */
const command = (args: readonly string[], more: object = {}) => ({
  toolchain: { name: 'command', command: args, ...more },
});
/** A program whose executables are built by another target. */
const imported = (files: unknown, more: object = {}) => ({ toolchain: { name: 'import', files, ...more } });
const listed = (...files: readonly unknown[]) => ({ image: { files } });
const released = (pattern: string): NxJsonConfiguration => ({
  release: { releaseTag: { pattern } } as NonNullable<NxJsonConfiguration['release']>,
});
const SERVER = 'error CONFIGURATION: apps/server/prebuilt.json: ';

const REFUSALS: Readonly<Record<string, Refusal>> = {
  'an unknown key': {
    prebuilt: { plattforms: [] },
    says: `${SERVER}plattforms: unknown key; did you mean "platforms"?`,
  },
  'an unknown key in the image': {
    prebuilt: { image: { repositry: 'x' } },
    says: `${SERVER}image.repositry: unknown key; did you mean "repository"?`,
  },
  'an unknown key in a listed file': {
    prebuilt: listed({ path: 'x', mod: '0644' }),
    says: `${SERVER}image.files.0.mod: unknown key; did you mean "mode"?`,
  },
  'an unknown key in the verification': {
    prebuilt: { verify: { smok: false } },
    says: `${SERVER}verify.smok: unknown key; did you mean "smoke"?`,
  },
  'an unknown option of the toolchain': {
    prebuilt: { toolchain: { name: 'bun', entri: 'src/main.ts' } },
    says: `${SERVER}toolchain.entri: unknown key; did you mean "entry"?`,
  },
  'an unknown toolchain': {
    prebuilt: { toolchain: 'rust' },
    says: `${SERVER}toolchain: expected one of ${TOOLCHAINS.map(({ name }) => name).join(', ')}, found "rust"`,
  },
  'an unknown option of the plugin': {
    pluginOptions: { repositories: 'x' },
    says: 'error CONFIGURATION: nx.json, plugin options: repositories: unknown key; did you mean "repository"?',
  },
  'a name for a nonexistent target': {
    pluginOptions: { targetNames: { build: 'x' } },
    says: 'error CONFIGURATION: nx.json, plugin options: targetNames.build: unknown key',
  },
  'a comment': { prebuilt: '{} // mine', says: `${SERVER}expected JSON: ` },
  'an empty file': { prebuilt: '', says: `${SERVER}expected JSON: Unexpected end of JSON input` },
  'a list': { prebuilt: [], says: `${SERVER}(root): expected an object, found []` },
  'a name with a slash': { prebuilt: { name: 'acme/server' }, says: `${SERVER}name: expected lowercase` },
  'a name that leads out of its folder': {
    prebuilt: { name: '../server' },
    says: `${SERVER}name: expected lowercase`,
  },
  'a name of two dots': { prebuilt: { name: '..' }, says: `${SERVER}name: expected lowercase` },
  'a name in capitals': { prebuilt: { name: 'Server' }, says: `${SERVER}name: expected lowercase` },
  'a name too long for a file': {
    prebuilt: { name: 'a'.repeat(200) },
    says: `${SERVER}name: expected lowercase`,
  },
  'a project’s name that isn’t a valid file name': {
    files: { 'apps/server/package.json': { name: 'Server App' } },
    says: `${SERVER}name: expected a name for the program, since the project’s name "Server App" isn't a valid file name`,
  },
  'an unknown platform': { prebuilt: { platforms: ['linux/x86'] }, says: 'found "linux/x86"' },
  'a duplicate platform': {
    prebuilt: { platforms: ['linux/amd64', 'linux/x86_64'] },
    says: 'linux/amd64 is named more than once',
  },
  'no platform': { prebuilt: { platforms: [] }, says: `${SERVER}platforms: expected at least one platform` },
  'a platform that the toolchain doesn’t support': {
    prebuilt: { platforms: ['linux/riscv64'] },
    says: 'error INVALID_PLATFORM: platforms: bun can build linux/amd64, linux/arm64, found linux/riscv64',
  },
  'an absolute output': {
    prebuilt: { output: '/srv' },
    says: `${SERVER}output: expected a folder inside the workspace, such as "dist/server", found "/srv"`,
  },
  'an output outside the workspace': {
    prebuilt: { output: 'dist/../../out' },
    says: `${SERVER}output: expected a folder inside the workspace`,
  },
  'the workspace as the output': {
    prebuilt: { output: '.' },
    says: `${SERVER}output: expected a folder inside the workspace`,
  },
  'an output with a backslash': {
    prebuilt: { output: 'dist\\server' },
    says: `${SERVER}output: expected a folder inside the workspace`,
  },
  'the output of another project': {
    prebuilt: { output: 'dist' },
    files: { 'apps/tool/prebuilt.json': { output: 'dist' }, 'apps/tool/main.ts': '' },
    says: `${SERVER}output: dist/bin would be written by both server and apps/tool; give each its own "output"`,
  },
  'an output inside another project’s': {
    prebuilt: { output: 'dist' },
    files: { 'apps/tool/prebuilt.json': { output: 'dist/bin/tool' }, 'apps/tool/main.ts': '' },
    says: 'would be written by both ',
  },
  'an output folder with other files': {
    files: { 'dist/apps/server/bin/thesis.odt': 'three years of work' },
    says: 'expected a folder with only this target’s output, found "thesis.odt"',
  },
  'an output that is a file': {
    files: { 'dist/apps/server/bin': 'text' },
    says: 'dist/apps/server/bin: expected a folder to replace, found no folder',
  },
  'an output that is a symbolic link': {
    links: { 'dist/apps/server/bin': '../../../elsewhere' },
    says: 'dist/apps/server/bin: expected a folder, found a symbolic link',
  },
  'an output below a link out of the workspace': {
    links: { dist: tmpdir() },
    says: 'dist/apps/server/bin: expected a folder inside ',
  },
  'an output folder with another program’s build': {
    files: { [`dist/apps/server/bin/${MANIFEST_FILE}`]: formatManifest(sampleManifest) },
    says: `error OUTPUT: dist/apps/server/bin: expected no build or a build of server, found a build of ${sampleManifest.name}`,
  },
  'a missing entry': {
    prebuilt: { toolchain: { name: 'bun', entry: 'src/server.ts' } },
    says: 'error INVALID_OPTIONS: toolchain.entry: expected a file, found none at ',
  },
  'an entry that is a folder': {
    prebuilt: { toolchain: { name: 'bun', entry: 'src/folder.ts' } },
    files: { 'apps/server/src/folder.ts/x': '' },
    says: 'error INVALID_OPTIONS: toolchain.entry: expected a file, found something else at ',
  },
  'an entry in another language': {
    prebuilt: { toolchain: { name: 'bun', entry: 'main.go' } },
    says: 'toolchain.entry: expected a JavaScript or TypeScript file',
  },
  'no program next to it': {
    files: { 'apps/server/src/main.ts': null },
    says: `${SERVER}toolchain: expected files next to prebuilt.json`,
  },
  'a missing compiler': {
    prebuilt: command(['no-such-compiler', '-o', '{output}']),
    says: 'error TOOLCHAIN: no-such-compiler: expected a program in PATH, found none',
  },
  'a missing Go': {
    files: { 'apps/server/go.mod': 'module example.com/server\n', 'apps/server/main.go': 'package main' },
    environment: { PATH: '/nonexistent' },
    says: 'error TOOLCHAIN: go: ',
  },
  'a missing Cargo': {
    files: {
      'apps/server/Cargo.toml': '[package]\nname = "server"\nversion = "0.0.0"\n',
      'apps/server/src/main.rs': 'fn main() {}',
    },
    environment: { PATH: '/nonexistent' },
    says: 'error TOOLCHAIN: rustc: expected a program in PATH, found none',
  },
  'no lock': {
    files: { 'prebuilt.lock.json': null },
    says: "error LOCKFILE: prebuilt.lock.json: expected Bun's package @oven/bun-linux-",
  },
  'a lock without the toolchain': {
    files: { 'prebuilt.lock.json': LOCK_WITHOUT_BUN },
    says: 'found no entry',
  },
  'a lock without a platform’s runtime': {
    files: { 'prebuilt.lock.json': without('@oven/bun-linux-aarch64') },
    says: "error LOCKFILE: prebuilt.lock.json: expected Bun's package @oven/bun-linux-aarch64, found no entry",
  },
  'a lock without the C library': {
    prebuilt: { ...imported({ 'linux/amd64': 'server' }), platforms: ['linux/amd64'] },
    files: {
      'prebuilt.lock.json': { lockVersion: 1 },
      'apps/server/server': buildElf({
        machine: 'x86_64',
        interpreter: '/lib64/ld-linux-x86-64.so.2',
        needed: ['libc.so.6'],
      }),
    },
    says: 'error LOCKFILE: prebuilt.lock.json: expected libc6, base-files for linux/amd64, found no entry',
  },
  'a lock that is not JSON': {
    files: { 'prebuilt.lock.json': '<<<<<<< HEAD' },
    says: 'prebuilt.lock.json: expected JSON: ',
  },
  'a lock with another version': {
    files: { 'prebuilt.lock.json': { ...LOCK, lockVersion: 2 } },
    says: 'prebuilt.lock.json: lockVersion: ',
  },
  'a lock with an invalid hash': {
    files: { 'prebuilt.lock.json': { ...LOCK, images: { 'debian:12': 'sha256:abc' } } },
    says: 'prebuilt.lock.json: images.debian:12: expected a digest, sha256:…',
  },
  'a lock whose paths lead out of the cache': {
    files: {
      'prebuilt.lock.json': {
        ...LOCK,
        data: { tzdata: { ...LOCK.sysroots['linux/amd64'].libc6, path: '../../etc/passwd' } },
      },
    },
    says: 'prebuilt.lock.json: data.tzdata.path: expected a relative path with "/" that stays inside its folder',
  },
  'a tag pattern without a version': {
    nxJson: released('{projectName}'),
    says: 'error INVALID_OPTIONS: release tag pattern: expected {version} once, found "{projectName}"',
  },
  'a tag pattern with two versions': {
    nxJson: released('v{version}-{version}'),
    says: 'error INVALID_OPTIONS: release tag pattern: expected {version} once',
  },
  'an invalid version': {
    environment: { RELEASE_VERSION: 'next' },
    says: 'error INVALID_VERSION: version: expected SemVer such as 1.2.3',
  },
  'an import without a platform in its path': {
    prebuilt: imported('server'),
    says: `${SERVER}toolchain.files: expected a path with {platform} or {arch}`,
  },
  'a missing import': {
    prebuilt: imported('out/server-{arch}'),
    says: 'out/server-amd64',
  },
  'an import from outside the workspace': {
    prebuilt: imported('../../../server-{arch}'),
    says: 'server-amd64',
  },
  'an import that is a link out of the workspace': {
    prebuilt: imported('server-{arch}'),
    links: { 'apps/server/server-amd64': '/bin/true', 'apps/server/server-arm64': '/bin/true' },
    says: 'apps/server/server-amd64',
  },
  'an import for another platform': {
    prebuilt: { ...imported({ 'linux/arm64': 'server' }), platforms: ['linux/arm64'] },
    files: { 'apps/server/server': buildElf({ machine: 'x86_64' }) },
    says: 'linux/arm64',
  },
  'a command without an output': {
    prebuilt: command(['cc', 'main.c']),
    says: `${SERVER}toolchain.command: expected an argument with {output}`,
  },
  'a command with an unknown placeholder': {
    prebuilt: command(['cc', '-o', '{output}', '{platfrom}']),
    says: 'toolchain.command.3: expected known placeholders, found {platfrom}',
  },
  'two executables with the same name': {
    prebuilt: command(['cc', '-o', '{output}', '{output:server}'], { executables: ['server'] }),
    says: 'executables: expected a different name for each, found server',
  },
  'a missing listed file': {
    prebuilt: listed('LICENCE'),
    says: 'expected a file or folder, found none',
  },
  'a listed file that almost has a built-in’s name': {
    prebuilt: listed('ca-certificate'),
    says: 'did you mean the built-in "ca-certificates"?',
  },
  'a listed file outside the workspace': { prebuilt: listed('../../../secret'), says: 'secret' },
  'a listed link out of the workspace': {
    prebuilt: listed('passwd'),
    links: { 'apps/server/passwd': '/etc/passwd' },
    says: 'passwd',
  },
  'a listed file with an invalid mode': {
    prebuilt: listed({ path: 'src/main.ts', mode: '9999' }),
    says: '9999',
  },
  'a listed file with an unknown owner': {
    prebuilt: listed({ path: 'src/main.ts', owner: 'www-data' }),
    says: 'www-data',
  },
  'a listed file with a destination outside the image': {
    prebuilt: listed({ path: 'src/main.ts', to: '/../main.ts' }),
    says: '/../main.ts',
  },
  'a repository with a tag': {
    target: 'docker-publish',
    prebuilt: { image: { repository: 'ghcr.io/acme/server:latest' } },
    says: 'ghcr.io/acme/server:latest',
  },
  'no repository to publish to': { target: 'docker-publish', says: 'error INVALID_OPTIONS: image: expected' },
  'verifying before building': { target: 'verify', says: 'dist/apps/server/bin' },
  'building an image before building executables': { target: 'docker-release', says: 'dist/apps/server/bin' },
  'a page without a valid repository': {
    target: 'github-draft',
    environment: { GITHUB_REPOSITORY: 'acme' },
    says: 'error INVALID_OPTIONS: repository: expected owner/name, found "acme"',
  },
};

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'refused-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await rm(root, { recursive: true, force: true });
});

async function writeWorkspace({ prebuilt = {}, files = {}, links = {} }: Refusal): Promise<void> {
  const all: Readonly<Record<string, unknown>> = {
    'package.json': { name: 'acme', private: true },
    'apps/server/package.json': { name: 'server' },
    'apps/server/src/main.ts': 'console.log(1);',
    'apps/server/prebuilt.json': prebuilt,
    'prebuilt.lock.json': LOCK,
    ...files,
  };
  for (const [path, content] of Object.entries(all)) {
    if (content === null) continue;
    await mkdir(dirname(join(root, path)), { recursive: true });
    const plain = typeof content === 'string' || content instanceof Uint8Array;
    await writeFile(join(root, path), plain ? content : JSON.stringify(content), {
      mode: content instanceof Uint8Array ? 0o755 : 0o644,
    });
  }
  for (const [path, target] of Object.entries(links)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await symlink(target, join(root, path));
  }
}

/** Every path in the workspace with its kind, mode and content. */
async function snapshot(folder = root): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    const found = await lstat(path);
    const content = found.isSymbolicLink()
      ? await readlink(path)
      : found.isFile()
        ? createHash('sha256')
            .update(await readFile(path))
            .digest('hex')
        : 'folder';
    lines.push(`${path} ${found.mode.toString(8)} ${content}`);
    if (found.isDirectory()) lines.push(...(await snapshot(path)));
  }
  return lines;
}

/** Runs a target like Nx: with the inferred options, and the defaults from its executor's schema. */
async function runTarget({ target = 'build-binaries', pluginOptions, nxJson = {} }: Refusal) {
  const files = ['apps/server/prebuilt.json', 'apps/tool/prebuilt.json'];
  const there = await Promise.all(files.map((file) => lstat(join(root, file)).catch(() => undefined)));
  const context = { nxJsonConfiguration: nxJson, workspaceRoot: root };
  const results = await createNodes[1](
    files.filter((_, index) => there[index] !== undefined),
    pluginOptions,
    context,
  );
  const { 'apps/server': server } = Object.assign({}, ...results.map(([, { projects }]) => projects));
  const { executor, options } = server.targets[target];
  const folder = join(import.meta.dirname, '../executors', executor.split(':')[1]);
  const schema = JSON.parse(await readFile(join(folder, 'schema.json'), 'utf8'));
  const defaults = Object.entries(schema.properties).flatMap(([name, property]) => {
    const { default: value } = property as { readonly default?: unknown };
    return value === undefined ? [] : [[name, value]];
  });
  const { default: execute } = await import(join(folder, 'executor.ts'));
  const project = { root: 'apps/server', ...server };
  return execute(
    { ...Object.fromEntries(defaults), ...options },
    {
      root,
      cwd: root,
      isVerbose: false,
      projectName: 'server',
      targetName: target,
      nxJsonConfiguration: nxJson,
      projectsConfigurations: { version: 2, projects: { server: project } },
      projectGraph: { nodes: {}, dependencies: {} },
    },
  );
}

it.each(Object.entries(REFUSALS))(
  '%s is refused with a single message, and nothing is written',
  async (_, refusal) => {
    await writeWorkspace(refusal);
    for (const name of ['GITHUB_REPOSITORY', 'GITHUB_STEP_SUMMARY', 'GITHUB_OUTPUT', 'RELEASE_VERSION']) {
      vi.stubEnv(name, refusal.environment?.[name]);
    }
    if (refusal.environment?.PATH !== undefined) vi.stubEnv('PATH', refusal.environment.PATH);
    const before = await snapshot();
    const told: string[] = [];
    vi.spyOn(console, 'log').mockImplementation(() => {});
    vi.spyOn(console, 'error').mockImplementation((line) => void told.push(String(line)));
    expect(await runTarget(refusal)).toMatchObject({
      success: false,
      failure: { code: expect.stringMatching(/^[A-Z_]+$/) },
    });
    expect(told.filter((line) => line.startsWith('error '))).toEqual([expect.stringContaining(refusal.says)]);
    expect(await snapshot()).toEqual(before);
  },
);

it('the table has more than forty rows', () => {
  expect(Object.keys(REFUSALS).length).toBeGreaterThanOrEqual(40);
});
