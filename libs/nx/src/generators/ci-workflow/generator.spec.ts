import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addProjectConfiguration, readNxJson, type Tree, updateNxJson } from '@nx/devkit';
import { createTreeWithEmptyWorkspace } from '@nx/devkit/testing';
import { lintWorkflow, parseWorkflowText, RULES, type Workflow } from '@prebuilt/rehearsal';
import { FsTree } from 'nx/src/generators/tree.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import ciWorkflowGenerator from './generator.ts';
import type { CiWorkflowOptions } from './options.ts';
import { LOGINS } from './registries.ts';
import type { TaskCache } from './task-cache.ts';

const ROOT = join(import.meta.dirname, '../../../../..');

const TRIGGER = /push:\n {4}tags: \['([^']+)'\]/;

let tree: Tree;
let warned: string;
beforeEach(() => {
  tree = createTreeWithEmptyWorkspace();
  warned = '';
  vi.spyOn(console, 'warn').mockImplementation((line: string) => {
    warned += `${line}\n`;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

function addProgram(name: string, configuration: object = {}): void {
  addProjectConfiguration(tree, name, { root: `apps/${name}` });
  tree.write(`apps/${name}/prebuilt.json`, JSON.stringify(configuration));
  tree.write(`apps/${name}/go.mod`, `module ${name}\n`);
}

const generate = (options: Partial<CiWorkflowOptions> = {}) =>
  ciWorkflowGenerator(tree, { skipFormat: true, ...options });
const text = (name: string): string => tree.read(`.github/workflows/${name}`, 'utf8') ?? '';
/** The workflow as parsed by GitHub's own parser. */
const workflow = (name: string): Promise<Workflow> => parseWorkflowText(text(name), name);
const written = (): readonly string[] =>
  tree
    .listChanges()
    .map(({ path }) => path)
    .filter((path) => path.startsWith('.github/'))
    .toSorted();

/** The findings of actionlint and of every rule in the written workflows. */
async function problems(): Promise<readonly unknown[]> {
  const found = written().map(async (path) => {
    const name = path.replace('.github/workflows/', '');
    const lint = await lintWorkflow(text(name), path);
    const read = await workflow(name);
    const rules = Object.entries(RULES).flatMap(([rule, check]) =>
      check(read).map((problem) => [name, rule, problem]),
    );
    return [...lint, ...rules];
  });
  return (await Promise.all(found)).flat();
}

describe('the ci-workflow generator', () => {
  it('writes this workspace’s own workflows', async () => {
    const own = new FsTree(ROOT, false);
    const nxJson = JSON.parse(readFileSync(join(ROOT, 'nx.json'), 'utf8'));
    await ciWorkflowGenerator(own, nxJson.generators['@prebuilt/nx:ci-workflow']);
    expect(own.listChanges().map(({ path }) => path)).toEqual([]);
    // Other options would have produced different workflows.
    await ciWorkflowGenerator(own, {
      ...nxJson.generators['@prebuilt/nx:ci-workflow'],
      environment: 'other',
    });
    expect(own.listChanges().map(({ path }) => path)).toEqual(['.github/workflows/release.yml']);
  });

  it.each<[string, Partial<CiWorkflowOptions>]>([
    ['ghcr.io', {}],
    ['Amazon ECR', { registry: 'ecr' }],
    ['Google Artifact Registry', { registry: 'gar' }],
    ['Azure', { registry: 'acr' }],
    ['Docker Hub', { registry: 'docker-hub' }],
    ['a registry with a secret', { registry: 'secret' }],
    ['emulated machines', { runners: 'emulated' }],
    ['an environment as a gate', { environment: 'production' }],
    ['Nx Cloud', { cache: 'nx-cloud' }],
    ['a self-hosted cache', { cache: 'self-hosted' }],
    [
      'a container with an engine',
      { container: `node:24@sha256:${'0'.repeat(64)}`, engineFolder: '/var/lib/e' },
    ],
  ])('writes workflows that GitHub, actionlint and every rule accept, for %s', async (_, options) => {
    addProgram('server', { image: { repository: 'registry.example/acme/server' } });
    updateNxJson(tree, { ...readNxJson(tree), nxCloudId: '0123456789abcdef' });
    await generate(options);
    expect(written()).toEqual(['.github/workflows/ci.yml', '.github/workflows/release.yml']);
    expect(await problems()).toEqual([]);
  });

  it.each(Object.keys(LOGINS) as (keyof typeof LOGINS)[])(
    'the documentation lists exactly the variables and secrets for the registry %s',
    async (registry) => {
      addProgram('server', { image: { repository: 'registry.example/acme/server' } });
      await generate({ registry });
      const { env, steps = [] } = (await workflow('release.yml')).jobs.docker ?? {};
      expect(JSON.stringify(env)).toMatch(/vars\.IMAGE .*vars\.ATTEST .*vars\.SIGN /);
      const used = [...JSON.stringify(steps).matchAll(/\b(?:vars|secrets)\.([A-Z_]+)/g)]
        .map(([, name]) => name)
        .filter((name) => name !== 'GITHUB_TOKEN');
      const docs = readFileSync(join(ROOT, 'docs/ci-workflow.md'), 'utf8');
      const row = docs.split('\n').find((line) => line.startsWith(`| \`${registry}\` |`)) ?? '';
      const told = [...row.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name);
      expect(told.toSorted()).toEqual([...new Set(used)].toSorted());
    },
  );

  it.each<[string, string | string[], Partial<CiWorkflowOptions>, string]>([
    ['another registry', 'registry.example/acme/server', {}, 'registry.example'],
    ['ghcr.io and another one', ['ghcr.io/acme/server', 'quay.io/acme/server'], {}, 'quay.io'],
    ['ghcr.io', 'ghcr.io/acme/server', {}, ''],
    ['another registry with its own login', 'registry.example/acme/server', { registry: 'secret' }, ''],
  ])('warns if the login needs settings on GitHub: %s', async (_, repository, options, other) => {
    addProgram('server', { image: { repository } });
    await generate(options);
    if (other === '') expect(warned).toBe('');
    else expect(warned).toContain(`its image goes to ${other}, which`);
    if (other !== '') expect(warned).toContain(`REGISTRY (${other}) and REGISTRY_USERNAME`);
  });

  it('writes a workflow for each of several programs, triggered by its own tags', async () => {
    addProgram('server');
    addProgram('tool', { image: false, platforms: ['linux/amd64', 'linux/arm/v7'] });
    addProgram('job', { page: false });
    updateNxJson(tree, {
      ...readNxJson(tree),
      release: {
        projectsRelationship: 'independent',
        groups: { jobs: { projects: ['job'], projectsRelationship: 'fixed' } },
      },
    });
    await generate();
    expect(written()).toEqual(
      ['ci', 'release-job', 'release-server', 'release-tool'].map((name) => `.github/workflows/${name}.yml`),
    );
    expect(await problems()).toEqual([]);
    const triggers = ['server', 'tool', 'job'].map((name) => TRIGGER.exec(text(`release-${name}.yml`))?.[1]);
    expect(triggers).toEqual(['server@*.*.*', 'tool@*.*.*', 'jobs-v*.*.*']);
    const jobs = async (name: string) => Object.keys((await workflow(name)).jobs);
    const before = ['plan', 'test', 'build', 'verify', 'attest'];
    expect(await jobs('release-server.yml')).toEqual([...before, 'draft', 'docker', 'release']);
    expect(await jobs('release-tool.yml')).toEqual([...before, 'draft', 'release']);
    expect(await jobs('release-job.yml')).toEqual([...before, 'docker']);
    // Each image has its own variable, so moving one doesn't move the others.
    expect((await workflow('release-server.yml')).jobs.docker?.env?.IMAGE).toContain('vars.IMAGE_SERVER ||');
    expect((await workflow('release-server.yml')).jobs.docker?.env?.IMAGE).toContain("'{0}/{1}/server'");
    const groups = ['server', 'tool', 'job'].map(
      async (name) => (await workflow(`release-${name}.yml`)).concurrency,
    );
    expect(new Set((await Promise.all(groups)).map((each) => each?.group)).size).toBe(3);
  });

  it('also writes a workflow for a program that is a project only by its prebuilt.json', async () => {
    addProgram('server');
    tree.write('apps/weather/prebuilt.json', '{}');
    tree.write('apps/weather/go.mod', 'module weather\n');
    await generate();
    expect(written()).toEqual(
      ['ci.yml', 'release-server.yml', 'release-weather.yml'].map((name) => `.github/workflows/${name}`),
    );
    expect(text('release-weather.yml')).toContain('weather:docker-publish');
    await generate({ projects: ['weather'] });
    expect(text('release.yml')).toContain('weather:docker-publish');
  });

  it('passes whether there are attestations to the page’s notes, even in a private repository', async () => {
    addProgram('tool', { image: false });
    await generate();
    const { attest, draft, release } = (await workflow('release.yml')).jobs;
    expect(attest?.outputs?.signed).toContain('env.ATTEST');
    for (const job of [draft, release]) {
      const step = job?.steps.find(({ run = '' }) => run.includes(':github-'));
      expect(step?.env?.ATTEST).toContain('needs.attest.outputs.signed');
    }
  });

  it('verifies every platform on a native machine if there is one, otherwise in an emulator', async () => {
    addProgram('tool', { platforms: ['linux/amd64', 'linux/arm64', 'linux/arm/v7'] });
    const runners = async () =>
      (await workflow('release.yml')).jobs.verify?.strategy?.matrix.include.map(({ report, runner }) => [
        report,
        runner,
      ]);
    await generate();
    expect(await runners()).toEqual([
      ['linux-amd64', 'ubuntu-24.04'],
      ['linux-arm64', 'ubuntu-24.04-arm'],
      ['linux-armv7', 'ubuntu-24.04'],
    ]);
    await generate({ runners: 'emulated' });
    expect((await runners())?.map(([, runner]) => runner)).toEqual(Array(3).fill('ubuntu-24.04'));
    // The emulators come from the lock.
    expect((await workflow('release.yml')).jobs.verify?.steps.map(({ run }) => run)).toContain(
      'npx nx g @prebuilt/nx:lock --fetch',
    );
  });

  it.each([
    ['package-lock.json', 'npm ci --ignore-scripts --no-audit --no-fund'],
    ['pnpm-lock.yaml', 'pnpm install --frozen-lockfile --ignore-scripts'],
    ['yarn.lock', 'yarn install --immutable --mode=skip-build'],
  ])('installs with the package manager of %s', async (lockfile, command) => {
    addProgram('server');
    tree.write(lockfile, '');
    await generate();
    expect((await workflow('release.yml')).jobs.plan?.steps.map(({ run }) => run)).toContain(command);
    expect(await problems()).toEqual([]);
  });

  it('builds on macOS what compiles there without any other tools', async () => {
    addProgram('server');
    addProgram('cli', { toolchain: 'cargo' });
    addProgram('tool', { toolchain: { name: 'bun', entry: 'main.ts' } });
    const job = async () => (await workflow('ci.yml')).jobs.macos;
    const scripts = async () => (await job())?.steps.flatMap(({ run }) => run ?? []);
    await generate();
    expect(await job()).toMatchObject({ 'runs-on': 'macos-15', needs: 'affected' });
    expect(await scripts()).toEqual([
      'npm ci --ignore-scripts --no-audit --no-fund',
      'npx nx g @prebuilt/nx:lock --fetch',
      "npx nx affected -t build-binaries verify --exclude='*,!server,!tool'",
    ]);
    expect(await problems()).toEqual([]);
    // Debian packages need a program that macOS doesn't have.
    tree.write('prebuilt.lock.json', readFileSync(join(ROOT, 'prebuilt.lock.json')));
    await generate();
    expect((await scripts())?.[0]).toBe('brew install dpkg');
    await generate({ macos: false });
    expect(await job()).toBeUndefined();
    await generate({ projects: ['cli'] });
    expect(await job()).toBeUndefined();
  });

  it.each<[TaskCache, readonly string[]]>([
    ['github', []],
    ['nx-cloud', ['NX_CLOUD_ACCESS_TOKEN', 'NX_CLOUD_READ_TOKEN']],
    ['self-hosted', ['NX_CACHE_SERVER', 'NX_CACHE_WRITE_TOKEN', 'NX_CACHE_READ_TOKEN']],
  ])(
    'only pushes may write to the cache %s, and the documentation lists its settings',
    async (cache, settings) => {
      addProgram('server');
      updateNxJson(tree, { ...readNxJson(tree), nxCloudId: '0123456789abcdef' });
      await generate({ cache });
      const { check, macos } = (await workflow('ci.yml')).jobs;
      for (const job of [check, macos]) {
        const { env } = job?.steps.find(({ run = '' }) => run.startsWith('npx nx affected')) ?? {};
        const used = [...JSON.stringify(env).matchAll(/\b(?:vars|secrets)\.([A-Z_]+)/g)].map(
          ([, name]) => name,
        );
        expect([...new Set(used)].toSorted()).toEqual(settings.toSorted());
        const writing = settings.find((name) => /ACCESS|WRITE/.test(name));
        if (writing !== undefined)
          expect(JSON.stringify(env)).toContain(`github.event_name == 'push' && secrets.${writing} ||`);
      }
      const cached = check?.steps.flatMap(({ with: inputs }) => inputs?.path ?? []).map(String) ?? [];
      expect(cached.map((paths) => paths.includes('.nx/'))).toEqual(Array(2).fill(cache === 'github'));
      const docs = readFileSync(join(ROOT, 'docs/ci-workflow.md'), 'utf8');
      const row = docs.split('\n').find((line) => line.startsWith(`| \`${cache}\` |`)) ?? '';
      expect([...row.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name)).toEqual(settings);
    },
  );

  it('a release of a workspace on Nx Cloud uses none of its results', async () => {
    addProgram('server');
    const ofRelease = async () => {
      await generate();
      return (await workflow('release.yml')).env;
    };
    expect(await ofRelease()).not.toHaveProperty('NX_NO_CLOUD');
    updateNxJson(tree, { ...readNxJson(tree), nxCloudId: '0123456789abcdef' });
    expect(await ofRelease()).toMatchObject({ NX_NO_CLOUD: 'true' });
    updateNxJson(tree, { ...readNxJson(tree), neverConnectToCloud: true });
    expect(await ofRelease()).not.toHaveProperty('NX_NO_CLOUD');
  });

  it('keeps Nx’s cache inside the workspace if nx.json sets no folder for it', async () => {
    addProgram('server');
    await generate();
    expect((await workflow('ci.yml')).jobs.check?.env).toEqual({ NX_CACHE_DIRECTORY: '.nx/cache' });
  });

  it.each<[string, Partial<CiWorkflowOptions>, RegExp]>([
    [
      'a project without a program',
      { projects: ['none'] },
      /projects: expected projects with a prebuilt\.json, found "none"/,
    ],
    [
      'a registry without a repository',
      { registry: 'ecr' },
      /server: expected the image's repository for the registry ecr/,
    ],
    ['Nx Cloud without a connection to it', { cache: 'nx-cloud' }, /cache: expected nx\.json to connect/],
    ['an engine without a container', { engineFolder: '/e' }, /engineFolder: expected a "container"/],
  ])('refuses %s', async (_, options, message) => {
    addProgram('server');
    await expect(generate(options)).rejects.toThrow(message);
  });
});
