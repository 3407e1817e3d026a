import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CreateNodesContext, TargetConfiguration } from '@nx/devkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNodes, createNodesV2 } from './plugin.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'plugin-'));
});
afterEach(() => rm(root, { recursive: true }));

type Files = Readonly<Record<string, unknown>>;
type Targets = Readonly<Record<string, TargetConfiguration>>;

/** The projects inferred for a workspace with these files, by root. */
async function infer(
  files: Files,
  options?: unknown,
  nxJsonConfiguration: CreateNodesContext['nxJsonConfiguration'] = {},
): Promise<
  Readonly<Record<string, { readonly name?: string; readonly release?: unknown; readonly targets: Targets }>>
> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
  const configurations = Object.keys(files).filter((path) => path.endsWith('prebuilt.json'));
  const results = await createNodes[1](configurations, options, { nxJsonConfiguration, workspaceRoot: root });
  return Object.assign({}, ...results.map(([, { projects }]) => projects));
}

const PROGRAM = {
  'apps/server/package.json': { name: '@acme/server', bin: 'src/main.ts' },
  'apps/server/src/main.ts': '',
};

const problemsOf = (targets: Targets): readonly string[] =>
  targets['docker-release']?.options?.problems ?? [];

describe('createNodes', () => {
  it('createNodes is also exported under its name in Nx 22', () => {
    expect(createNodesV2).toBe(createNodes);
  });

  it('createNodes infers the whole pipeline from an empty prebuilt.json', async () => {
    const { 'apps/server': project } = await infer({ ...PROGRAM, 'apps/server/prebuilt.json': {} });
    expect(project?.name).toBeUndefined();
    expect(Object.keys(project?.targets ?? {})).toEqual([
      'build-binaries',
      'verify',
      'docker-release',
      'docker-load',
      'sbom',
      'plan',
      'github-draft',
      'docker-publish',
      'github-release',
      'nx-release-publish',
    ]);
    expect(project?.targets['build-binaries']).toEqual({
      executor: '@prebuilt/nx:build-binaries',
      cache: true,
      inputs: ['default', '^default', '{workspaceRoot}/prebuilt.lock.json'],
      outputs: ['{workspaceRoot}/dist/apps/server/bin'],
      options: {
        name: 'server',
        toolchain: { name: 'bun', entry: 'apps/server/src/main.ts' },
        outputPath: 'dist/apps/server/bin',
      },
      metadata: { description: expect.any(String) },
    });
    expect(project?.targets['docker-release']).toMatchObject({
      dependsOn: ['build-binaries', 'verify'],
      inputs: [{ dependentTasksOutputFiles: '**/*.json' }],
      outputs: ['{workspaceRoot}/dist/apps/server/oci'],
      options: { inputPath: 'dist/apps/server/bin', verifyPath: 'dist/apps/server/verify' },
    });
    expect(project?.targets['docker-load']).toMatchObject({
      cache: false,
      dependsOn: ['docker-release'],
      options: { image: 'server', inputPath: 'dist/apps/server/oci' },
    });
    expect(project?.targets['docker-publish']).toMatchObject({
      cache: false,
      dependsOn: ['docker-release', 'sbom'],
    });
  });

  it.each<[string, object, object, boolean]>([
    ['whose version is in no file', {}, {}, true],
    ['whose package.json has a version', { version: '1.0.0' }, {}, false],
    ['of a workspace with its own versioning', {}, { version: { versionActions: './own' } }, false],
    [
      'of a group with its own versioning',
      {},
      { groups: { g: { projects: ['tag:prebuilt'], version: { versionActions: './own' } } } },
      false,
    ],
  ])('createNodes lets `nx release` version a program %s', async (_, manifest, release, ours) => {
    const files = { ...PROGRAM, 'apps/server/prebuilt.json': {} };
    const { 'apps/server': project } = await infer(
      { ...files, 'apps/server/package.json': { ...PROGRAM['apps/server/package.json'], ...manifest } },
      undefined,
      { release },
    );
    expect(project).toMatchObject({ tags: ['prebuilt'] });
    expect(project?.release).toEqual(
      ours
        ? { version: { versionActions: '@prebuilt/nx/version-actions', currentVersionResolver: 'git-tag' } }
        : undefined,
    );
  });

  it('createNodes infers nothing for `nx release` to publish if a program has neither image nor page', async () => {
    const { 'apps/server': project } = await infer({
      ...PROGRAM,
      'apps/server/prebuilt.json': { image: false, page: false },
    });
    expect(Object.keys(project?.targets ?? {})).toEqual(['build-binaries', 'verify', 'sbom', 'plan']);
  });

  it.each<[string, Readonly<Record<string, string | object>>, object]>([
    [
      'go.mod',
      { 'apps/server/go.mod': '' },
      { toolchain: { name: 'go', folder: 'apps/server', version: 'main.version', cgo: false } },
    ],
    [
      'Cargo.toml',
      { 'apps/server/Cargo.toml': '' },
      {
        toolchain: { name: 'cargo', folder: 'apps/server', profile: 'release' },
        sysrootPackages: ['libgcc-s1'],
      },
    ],
    [
      'go.mod rather than package.json',
      { 'apps/server/go.mod': '', ...PROGRAM },
      { toolchain: { name: 'go', folder: 'apps/server' } },
    ],
    [
      'Cargo.toml rather than package.json',
      { 'apps/server/Cargo.toml': '', ...PROGRAM },
      { toolchain: { name: 'cargo', folder: 'apps/server' } },
    ],
  ])('createNodes detects the toolchain by %s', async (_, files, options) => {
    const { 'apps/server': project } = await infer({ ...files, 'apps/server/prebuilt.json': {} });
    expect(project?.targets['build-binaries']?.options).toMatchObject(options);
  });

  it.each<[object, object]>([
    [{}, {}],
    [{ verify: { smoke: [['version']] } }, { smoke: [['version']] }],
    [{ verify: { smoke: false } }, { smoke: [] }],
    [{ verify: { printsVersion: false } }, { printsVersion: false }],
  ])('createNodes passes the test runs in %j to verify', async (configuration, options) => {
    const { 'apps/server': project } = await infer({
      ...PROGRAM,
      'apps/server/prebuilt.json': configuration,
    });
    const { inputPath: _, outputPath: __, ...rest } = project?.targets.verify?.options ?? {};
    expect(rest).toEqual(options);
  });

  it('createNodes follows prebuilt.json, the plugin’s options and nx.json', async () => {
    const { 'apps/server': project } = await infer(
      {
        ...PROGRAM,
        'apps/server/Dockerfile.release': '',
        'apps/server/prebuilt.json': {
          name: 'srv',
          output: 'out/',
          platforms: ['linux/arm64'],
          image: { title: 'Server', compression: 'zstd' },
        },
      },
      {
        targetNames: { 'build-binaries': 'compile' },
        repository: 'ghcr.io/acme/{projectName}',
        inputs: [{ env: 'CHANNEL' }],
      },
      { namedInputs: { production: [] } },
    );
    expect(project?.targets.compile).toMatchObject({
      inputs: ['production', '^production', '{workspaceRoot}/prebuilt.lock.json', { env: 'CHANNEL' }],
      outputs: ['{workspaceRoot}/out/bin'],
      options: { name: 'srv', platforms: ['linux/arm64'] },
    });
    expect(project?.targets.verify?.dependsOn).toEqual(['compile']);
    expect(project?.targets['docker-release']).toMatchObject({
      inputs: [
        '{workspaceRoot}/apps/server/Dockerfile.release',
        { dependentTasksOutputFiles: '**/*.json' },
        { env: 'CHANNEL' },
      ],
      options: { dockerfile: 'apps/server/Dockerfile.release', imageTitle: 'Server', compression: 'zstd' },
    });
    expect(project?.targets['docker-publish']?.options).toMatchObject({ image: 'ghcr.io/acme/srv' });
  });

  it('createNodes passes the required full proof to docker-release and docker-publish', async () => {
    const { 'apps/server': project } = await infer({
      ...PROGRAM,
      'apps/server/prebuilt.json': { image: { requireFullProof: true } },
    });
    for (const name of ['docker-release', 'docker-publish'])
      expect(project?.targets[name]?.options).toMatchObject({ requireFullProof: true });
  });

  it('createNodes passes listed files to the build, and makes them its inputs', async () => {
    const { 'apps/server': project } = await infer({
      ...PROGRAM,
      'apps/server/prebuilt.json': {
        image: {
          files: ['tmp', './tmp', '../../LICENSE', { path: 'assets/', to: '/srv', owner: 'nonroot' }],
        },
      },
    });
    expect(project?.targets['build-binaries']).toMatchObject({
      inputs: [
        'default',
        '^default',
        '{workspaceRoot}/prebuilt.lock.json',
        '{workspaceRoot}/apps/server/tmp',
        '{workspaceRoot}/apps/server/tmp/**/*',
        '{workspaceRoot}/LICENSE',
        '{workspaceRoot}/LICENSE/**/*',
        '{workspaceRoot}/apps/server/assets',
        '{workspaceRoot}/apps/server/assets/**/*',
      ],
      options: {
        files: [
          'tmp',
          { path: 'apps/server/tmp' },
          { path: 'LICENSE' },
          { path: 'apps/server/assets/', to: '/srv', owner: 'nonroot' },
        ],
      },
    });
  });

  it('createNodes omits the targets for an image or page that a program does not have', async () => {
    const projects = await infer({
      ...PROGRAM,
      'apps/server/prebuilt.json': { image: false },
      'apps/tool/main.ts': '',
      'apps/tool/prebuilt.json': { page: false },
    });
    expect(Object.keys(projects['apps/server']?.targets ?? {})).not.toContain('docker-publish');
    // Without an image, there is no record to wait for.
    expect(projects['apps/server']?.targets?.['github-release']?.options).toMatchObject({ image: false });
    expect(Object.keys(projects['apps/tool']?.targets ?? {})).toContain('docker-publish');
    expect(Object.keys(projects['apps/tool']?.targets ?? {})).not.toContain('github-release');
  });

  it('createNodes names a project after its folder if nothing else does', async () => {
    const projects = await infer({ 'apps/tool/main.ts': '', 'apps/tool/prebuilt.json': {} });
    expect(projects['apps/tool']).toMatchObject({
      name: 'tool',
      targets: { 'build-binaries': { options: { name: 'tool' } } },
    });
  });

  it('createNodes breaks only the project with an invalid prebuilt.json', async () => {
    const projects = await infer({
      ...PROGRAM,
      'apps/server/prebuilt.json': {},
      'apps/broken/prebuilt.json': '{"nam": "x", "page": 1}',
    });
    expect(projects['apps/server']?.targets.verify?.executor).toBe('@prebuilt/nx:verify');
    expect(projects['apps/broken']?.targets.verify).toMatchObject({
      executor: '@prebuilt/nx:configuration-error',
      cache: false,
      options: {
        file: 'apps/broken/prebuilt.json',
        problems: ['page: expected true or false, found 1', 'nam: unknown key; did you mean "name"?'],
      },
    });
  });

  it.each<[string, Files, string]>([
    ['no program', { 'apps/x/prebuilt.json': {} }, 'toolchain: expected files next to prebuilt.json'],
    [
      'no entry for the toolchain',
      { 'apps/x/prebuilt.json': { toolchain: 'bun' } },
      'toolchain.entry: expected a TypeScript or JavaScript "bin"',
    ],
    [
      'a name that is not a valid file name',
      { 'apps/Server App/main.ts': '', 'apps/Server App/prebuilt.json': {} },
      'name: expected a name for the program, since the project’s name "Server App" isn\'t a valid file name',
    ],
  ])('createNodes refuses a project with %s', async (_, files, problem) => {
    const [project] = Object.values(await infer(files));
    expect(problemsOf(project?.targets ?? {})).toEqual([expect.stringContaining(problem)]);
  });

  it('createNodes refuses every project if the plugin’s options are invalid, and points to nx.json', async () => {
    const projects = await infer({ ...PROGRAM, 'apps/server/prebuilt.json': {} }, { repo: 'x' });
    expect(projects['apps/server']?.targets.verify?.options).toEqual({
      file: 'nx.json, plugin options',
      problems: ['repo: unknown key'],
    });
  });

  it.each([
    ['the same folder', 'dist/one', 'dist/one', 'dist/one/bin'],
    ['the same folder with different spellings', 'dist/one/', './dist/one', 'dist/one/bin'],
    ['a folder inside the other’s', 'dist/one', 'dist/one/bin/two', 'dist/one/bin/two/bin'],
  ])(
    'createNodes refuses two projects that would write to %s, and names both',
    async (_, one, two, folder) => {
      const projects = await infer({
        'apps/one/main.ts': '',
        'apps/one/prebuilt.json': { output: one },
        'apps/two/main.ts': '',
        'apps/two/prebuilt.json': { output: two },
        'apps/three/main.ts': '',
        'apps/three/prebuilt.json': {},
      });
      for (const name of ['apps/one', 'apps/two']) {
        const [problem] = problemsOf(projects[name]?.targets ?? {});
        expect(problem).toMatch(
          /^output: \S+ would be written by both apps\/(one|two) and apps\/(one|two); /,
        );
        expect(problem).toContain(folder);
      }
      expect(problemsOf(projects['apps/three']?.targets ?? {})).toEqual([]);
    },
  );

  it('createNodes allows one project’s output next to another’s folders', async () => {
    const projects = await infer({
      'main.ts': '',
      'prebuilt.json': {},
      'package.json': { name: 'all' },
      'apps/two/main.ts': '',
      'apps/two/prebuilt.json': {},
    });
    expect(Object.values(projects).flatMap(({ targets }) => problemsOf(targets))).toEqual([]);
  });
});
