import { readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECKSUMS_FILE, parseChecksums } from '@prebuilt/nx/artifacts';
import { engineEnvironment, requireEngine, skipOutsideCi } from '@prebuilt/testing/engine';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { type FakeRegistry, startFakeRegistry } from '@prebuilt/testing/registry';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeReleases, type Released, testReleases } from './releases/release-tests.ts';
import { releasingWorkspace } from './releases/releasing-workspace.ts';
import { copyLocked } from './stranger/locked.ts';
import { type PackageRegistry, startPackageRegistry } from './stranger/package-registry.ts';
import { buildPolyglot, missingCompiler, type Polyglot, PROGRAMS, runImages } from './stranger/polyglot.ts';
import { SERVER, TOOL } from './stranger/programs.ts';
import { type Publication, publishPackages } from './stranger/publication.ts';
import { installTools, type Tools } from './stranger/tools.ts';
import { type Stranger, type StrangersWorkspace, strangersWorkspace } from './stranger/workspace.ts';
import { OWN_ARCHITECTURE } from './testing/clone.ts';
import { unpackImage } from './testing/image.ts';
import { missingProgram, type TaskResults, THIS_WORKSPACE } from './testing/workspace.ts';

/** Covers each package manager and each Node major, and Nx 22 once. All but the first build only for this machine. */
const STRANGERS: readonly Stranger[] = [
  { manager: 'npm', node: 24, nx: '23.2.1' },
  { manager: 'pnpm', node: 26, nx: '23.2.1' },
  { manager: 'yarn', node: 22, nx: '22.7.12' },
  { manager: 'bun', node: 24, nx: '23.2.1' },
];

// Package managers cache versions that they have seen, so each run needs a new one.
const VERSION = `1.0.0-e2e.${Date.now()}`;

/** An outside user's workspace after building everything three times. */
interface Built {
  readonly workspace: StrangersWorkspace;
  readonly again: TaskResults;
  readonly released: TaskResults;
}

const missing = await missingProgram('skopeo', 'umoci', 'apt-get');
const [engine, withoutCompiler] = await Promise.all([engineEnvironment(), missingCompiler()]);
const begun: StrangersWorkspace[] = [];
const built = new Map<string, Built>();
let tools: Tools;
let registry: PackageRegistry;
let released: Released | undefined;
let polyglot: Polyglot | undefined;
let publication: Publication;
/** The registry for the images of the first workspace. */
let images: FakeRegistry;

beforeAll(async () => {
  if (missing !== undefined) return;
  tools = await installTools();
  registry = await startPackageRegistry(tools.packageRegistry);
  publication = await publishPackages(registry, VERSION);
  images = await startFakeRegistry();
  const lines = quickStart(await readReadme('README.md'), '## Release your own program');
  const workspaces = await Promise.all(
    STRANGERS.map(async (stranger) => {
      const workspace = await strangersWorkspace(stranger, registry, tools);
      begun.push(workspace);
      return { manager: stranger.manager, workspace };
    }),
  );
  const [first, ...rest] = workspaces as [(typeof workspaces)[0], ...typeof workspaces];
  const releases = releasingWorkspace(registry, tools).then(makeReleases);
  built.set(first.manager, await build(first.workspace, lines, true));
  await publishImages(first.workspace);
  released = await releases;
  // The others find a lock in their repository and its content in their cache, as a CI job does.
  await Promise.all([
    withoutCompiler ??
      buildPolyglot(registry, tools, first.workspace.root).then((each) => {
        polyglot = each;
      }),
    ...rest.map(async ({ manager, workspace }) => {
      await copyLocked(first.workspace.root, workspace.root);
      built.set(manager, await build(workspace, lines, false));
    }),
  ]);
}, 1_500_000);
afterAll(async () => {
  for (const workspace of begun) await workspace[Symbol.asyncDispose]();
  await polyglot?.[Symbol.asyncDispose]();
  await released?.workspace[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  await images?.close();
});
beforeEach(({ skip }) => {
  if (missing !== undefined) skipOutsideCi(missing, skip);
});

const readReadme = (path: string): Promise<string> => readFile(join(THIS_WORKSPACE, path), 'utf8');

/** The commands in the first shell block under a heading of a README. */
function quickStart(readme: string, heading: string): readonly string[] {
  const below = readme.slice(readme.indexOf(`\n${heading}\n`));
  const block = /^```sh\n(.*?)^```/ms.exec(below)?.[1] ?? '';
  return block.split('\n').flatMap((line) => line.replace(/\s+#.*/, '') || []);
}

const OWN_PLATFORM = { platforms: [`linux/${OWN_ARCHITECTURE}`] };

/**
 * Follows the README, with a second program from the third command on, and then tags a new version of the server. A
 * workspace after the first builds only for this machine, which is set in nx.json once the plugin is installed, and tags
 * the second program, since the server takes four times as long.
 */
async function build(
  workspace: StrangersWorkspace,
  [add, configure, ...lines]: readonly string[],
  isFirst: boolean,
): Promise<Built> {
  for (const [path, content] of Object.entries({ ...SERVER, ...TOOL })) await workspace.write(path, content);
  // This tool prints both of its versions, so a new tag is all that changes.
  if (!isFirst) await workspace.write('apps/tool/version.txt', '1.2.3 1.2.4\n');
  await workspace.run('git', ['add', '--all']);
  await workspace.run('git', [...GIT_AUTHOR, 'commit', '--quiet', '--message=Two programs']);
  await workspace.run('git', ['tag', 'server@1.2.3']);
  await workspace.run('git', ['tag', 'tool@1.2.3']);
  await workspace.line(add as string);
  if (!isFirst) {
    const path = join(workspace.root, 'nx.json');
    const settings = JSON.parse(await readFile(path, 'utf8'));
    expect(settings.plugins).toEqual(['@prebuilt/nx']);
    settings.plugins = [{ plugin: '@prebuilt/nx', options: OWN_PLATFORM }];
    await writeFile(path, JSON.stringify(settings));
  }
  await workspace.line(configure as string);
  await workspace.nxOk([
    'g',
    '@prebuilt/nx:configuration',
    'tool',
    '--files=out/tool-{arch}',
    '--dependsOn=make',
    '--no-interactive',
  ]);
  for (const line of lines) await workspace.line(line);
  const all = ['run-many', '--targets=docker-release'];
  const again = await workspace.nxTasks(all);
  const program = isFirst ? 'server' : 'tool';
  await workspace.run('git', ['tag', '--delete', `${program}@1.2.3`]);
  await workspace.run('git', ['tag', `${program}@1.2.4`]);
  return { workspace, again, released: await workspace.nxTasks(all) };
}

/**
 * Publishes the built tool 1.2.3 and server 1.2.4, then the server 1.2.3 again and a backport of the tool. Afterward,
 * the server 1.2.4 is the built one again.
 */
async function publishImages({ run, write, nxOk }: StrangersWorkspace): Promise<void> {
  const publish = (program: string) =>
    nxOk(['run', `${program}:docker-publish`, `--image=${images.host}/${program}`]);
  await publish('tool');
  await publish('server');
  // Nx still has the image of 1.2.3 for this commit.
  await run('git', ['tag', '--delete', 'server@1.2.4']);
  await run('git', ['tag', 'server@1.2.3']);
  await publish('server');
  await run('git', ['tag', '--delete', 'server@1.2.3']);
  await run('git', ['tag', 'server@1.2.4']);
  await run('git', ['checkout', '--quiet', '-b', 'older']);
  await write('apps/tool/version.txt', '1.1.9\n');
  await run('git', [...GIT_AUTHOR, 'commit', '--quiet', '--message=Fix the older tool', '--', 'apps/tool']);
  await run('git', ['tag', 'tool@1.1.9']);
  await publish('tool');
  await run('git', ['checkout', '--quiet', 'main']);
  await nxOk(['run-many', '--targets=docker-release']);
}

const TASKS = ['build-binaries', 'verify', 'docker-release'];

it('the README of the repository and that of the package give the same five commands', async () => {
  const lines = quickStart(await readReadme('README.md'), '## Release your own program');
  expect(lines).toHaveLength(5);
  expect(quickStart(await readReadme('libs/nx/README.md'), '## Quick start')).toEqual(lines);
});

it('two programs are published under their own versions, and a backport moves only the tags of its older line', () => {
  const moved = [
    ['tool', ['1.2.3', 'v1.2.3', '1.2', '1', 'latest']],
    ['server', ['1.2.4', 'v1.2.4', '1.2', '1', 'latest']],
    ['server', ['1.2.3', 'v1.2.3']],
    ['tool', ['1.1.9', 'v1.1.9', '1.1']],
  ] as const;
  expect(images.tagMoves.map(([key]) => key)).toEqual(
    moved.flatMap(([program, tags]) => tags.map((tag) => `${program}:${tag}`)),
  );
});

describe('nx release', () => {
  it('nx release writes the version into the three packages and the lockfile, and nowhere else', () => {
    expect(publication.changed).toEqual([
      'libs/elf/package.json',
      'libs/nx/package.json',
      'libs/oci/package.json',
      'package-lock.json',
    ]);
  });

  it.each(['@prebuilt/elf', '@prebuilt/oci', '@prebuilt/nx'])('publishes %s as latest', async (name) => {
    const response = await fetch(`${registry.url}/${encodeURIComponent(name)}`);
    expect(await response.json()).toMatchObject({
      'dist-tags': { latest: VERSION },
      versions: { [VERSION]: {} },
    });
  });
});

testReleases(() => released as Released);

describe('examples/polyglot, with the published packages', () => {
  beforeEach(({ skip }) => {
    if (withoutCompiler !== undefined) skipOutsideCi(withoutCompiler, skip);
  });
  const of = (): Polyglot => polyglot as Polyglot;
  const compilations = ['amd64', 'arm64', 'armv7'].map((platform) => `legacy:build-${platform}`);
  const tasks = [...PROGRAMS.flatMap(({ name }) => TASKS.map((task) => `${name}:${task}`)), ...compilations];

  it('a second build of examples/polyglot hits the cache for every task', () => {
    expect(of().again).toEqual(Object.fromEntries(tasks.map((task) => [task, 'hit'])));
  });

  it('a changed source in examples/polyglot rebuilds exactly its program', () => {
    const outcome = (task: string) => (task.startsWith('server:') ? 'miss' : 'hit');
    expect(of().changed).toEqual(Object.fromEntries(tasks.map((task) => [task, outcome(task)])));
  });

  it('every toolchain in examples/polyglot gives the same bytes in another folder and with cold caches', () => {
    const { first, elsewhere } = of().checksums;
    expect(Object.keys(first)).toEqual(PROGRAMS.map(({ name }) => `${name}-linux-amd64`));
    expect(elsewhere).toEqual(first);
  });

  it.each(PROGRAMS)(
    'skopeo and umoci read the image of $name in examples/polyglot, and find the verified bytes',
    async ({ name, architectures }) => {
      const output = join(of().root, 'dist/apps', name);
      const checksums = parseChecksums(
        await readFile(join(output, 'bin', CHECKSUMS_FILE), 'utf8'),
        CHECKSUMS_FILE,
      );
      expect(checksums).toHaveLength(architectures.length);
      for (const architecture of architectures) {
        const file = `${name}-linux-${architecture.replace('/', '')}`;
        const image = await unpackImage(join(output, 'oci'), architecture, name);
        expect(image.architecture).toBe(architecture.split('/')[0]);
        expect(image.executable).toBe(checksums.find(({ path }) => path === file)?.sha256);
      }
    },
  );

  it('the images of examples/polyglot run in a real engine, each on all of its platforms', async ({
    skip,
  }) => {
    const printed = await runImages(of().root, tools, requireEngine(engine, skip));
    const expected = PROGRAMS.flatMap(({ name, architectures, prints }) =>
      architectures.map((architecture) => [`${name} ${architecture}`, expect.stringMatching(prints)]),
    );
    expect(printed).toEqual(Object.fromEntries(expected));
  }, 300_000);
});

describe.each(STRANGERS)('a workspace of $manager, with Node $node and Nx $nx', ({ manager }) => {
  const of = (): Built => built.get(manager) as Built;
  const isFirst = manager === STRANGERS[0]?.manager;

  it('an outside workspace uses the published plugin, and nothing from this repository', async () => {
    const { root } = of().workspace;
    const plugin = await realpath(join(root, 'node_modules/@prebuilt/nx'));
    expect(plugin.startsWith(await realpath(root))).toBe(true);
    const { version, dependencies } = JSON.parse(await readFile(join(plugin, 'package.json'), 'utf8'));
    expect(version).toBe(VERSION);
    expect(dependencies).toMatchObject({ '@prebuilt/elf': VERSION, '@prebuilt/oci': VERSION });
  });

  it('a second build in an outside workspace hits the cache for every task', () => {
    const expected = [
      ...['server', 'tool'].flatMap((name) => TASKS.map((task) => `${name}:${task}`)),
      'tool:make',
    ];
    expect(of().again).toEqual(Object.fromEntries(expected.map((task) => [task, 'hit'])));
  });

  it('a new version in an outside workspace rebuilds exactly its program', () => {
    const [changed, unchanged] = isFirst ? ['server', 'tool'] : ['tool', 'server'];
    expect(of().released).toEqual({
      ...Object.fromEntries(TASKS.map((task) => [`${changed}:${task}`, 'miss'])),
      ...Object.fromEntries(TASKS.map((task) => [`${unchanged}:${task}`, 'hit'])),
      'tool:make': 'hit',
    });
  });

  it.each([
    ['server', isFirst ? '1.2.4' : '1.2.3'],
    ['tool', isFirst ? '1.2.3' : '1.2.4'],
  ])(
    'skopeo and umoci read the image of %s in an outside workspace, and find the verified bytes',
    async (name, version) => {
      const output = join(of().workspace.root, 'dist/apps', name);
      const checksums = parseChecksums(
        await readFile(join(output, 'bin', CHECKSUMS_FILE), 'utf8'),
        CHECKSUMS_FILE,
      );
      const architectures = isFirst ? ['amd64', 'arm64'] : [OWN_ARCHITECTURE];
      expect(checksums.map(({ path }) => path)).toEqual(architectures.map((each) => `${name}-linux-${each}`));
      for (const [index, architecture] of architectures.entries()) {
        const image = await unpackImage(join(output, 'oci'), architecture, name);
        expect(image.architecture).toBe(architecture);
        expect(image.executable).toBe(checksums[index]?.sha256);
        expect(image.labels['org.opencontainers.image.version']).toBe(version);
      }
    },
  );
});
