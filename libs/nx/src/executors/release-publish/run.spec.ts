import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutorContext } from '@nx/devkit';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseReleaseVersion } from '../../version/version.ts';
import type { ExecutorOutcome } from '../failures.ts';
import type { ReleasePublishPlan } from './plan.ts';
import { type ReleasePublishTools, releasePublishTools, runReleasePublish } from './run.ts';

const ROOT = import.meta.dirname;
const PLAN: ReleasePublishPlan = {
  action: 'publish',
  project: 'agent',
  version: parseReleaseVersion('1.2.3'),
  dryRun: false,
  tag: 'agent@1.2.3',
  build: ['docker-release', 'sbom'],
  pushTo: 'origin',
  steps: [
    { target: 'github-draft', dryRun: false, reason: '' },
    { target: 'docker-publish', dryRun: true, reason: '' },
  ],
  leftOut: undefined,
};

const seen: string[] = [];
const tools = (failing?: string, failure?: ExecutorOutcome['failure']): ReleasePublishTools => {
  const note = (what: string): boolean => {
    seen.push(`${process.env.RELEASE_VERSION ?? ''}|${what}`);
    return failing === undefined || !what.includes(failing);
  };
  return {
    program: async ({ args }, env) =>
      note(`${env.RELEASE_VERSION} ${args.join(' ').replace(/^\S*nx\.js/, 'nx')}`),
    async target(target, { dryRun }) {
      const success = note(`${target}${dryRun ? ' --dry-run' : ''}`);
      return success || failure === undefined ? { success } : { success, failure };
    },
  };
};
beforeEach(() => {
  seen.length = 0;
  vi.stubEnv('RELEASE_VERSION', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

it('a release builds, pushes the tag, then runs each step with the version in the environment', async () => {
  await runReleasePublish(PLAN, ROOT, tools());
  expect(seen).toEqual([
    '|1.2.3 nx run-many --targets=docker-release,sbom --projects=agent --output-style=static',
    '|1.2.3 push -- origin refs/tags/agent@1.2.3:refs/tags/agent@1.2.3',
    '1.2.3|github-draft',
    '1.2.3|docker-publish --dry-run',
  ]);
  expect(process.env.RELEASE_VERSION).toBeUndefined();
});

it.each([
  ['run-many', 1, 'build agent'],
  ['push', 2, 'push the tag agent@1.2.3'],
  ['github-draft', 3, 'agent:github-draft'],
])('a release stops at the first failure: %s', async (part, count, what) => {
  await expect(runReleasePublish(PLAN, ROOT, tools(part))).rejects.toThrow(
    expect.objectContaining({ code: 'RELEASE_INCOMPLETE', message: `${what}: failed, see above` }),
  );
  expect(seen).toHaveLength(count);
  expect(process.env.RELEASE_VERSION).toBeUndefined();
});

it.each([
  ['TAG_EXISTS', 'Release another version.', undefined],
  ['RELEASE_CONFLICT', 'git checkout agent@1.2.3', undefined],
  ['UNCOMMITTED', 'Commit the changes.', undefined],
  ['REGISTRY_UNAVAILABLE', 'Try later.', expect.stringContaining('continue where it stopped')],
])('a release says how to continue after %s, unless that says it itself', async (code, hint, said) => {
  await expect(runReleasePublish(PLAN, ROOT, tools('docker-publish', { code, hint }))).rejects.toMatchObject({
    code: 'RELEASE_INCOMPLETE',
    hint: said,
  });
});

it.each(['run-many', 'docker-publish'])('a failed dry run does not say to continue: %s', async (part) => {
  const plan = { ...PLAN, dryRun: true, pushTo: undefined };
  await expect(runReleasePublish(plan, ROOT, tools(part))).rejects.toMatchObject({
    code: 'RELEASE_INCOMPLETE',
    hint: 'In a dry run, nothing is tagged or sent. Fix it, then try the same command again.',
  });
});

it('a release learns from a failed target why it failed', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  const tools = releasePublishTools(contextOf(ROOT, 'not one'));
  const outcome = await tools.target('github-draft', { dryRun: true });
  expect(outcome).toMatchObject({ success: false, failure: { code: 'INVALID_OPTIONS' } });
});

it('a failed target names its own command, since `nx release` passes no options on', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  const root = await mkdtemp(join(tmpdir(), 'release-publish-'));
  try {
    const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: root });
    git('init', '--quiet');
    await writeFile(join(root, 'main.go'), 'package main\n');
    git('add', '--all');
    const tools = releasePublishTools(contextOf(root, 'acme/agent'));
    expect(await tools.target('github-draft', { dryRun: true })).toMatchObject({
      failure: {
        code: 'UNCOMMITTED',
        hint: expect.stringContaining('To release anyway: npx nx run agent:github-draft --allow-uncommitted'),
      },
    });
  } finally {
    await rm(root, { recursive: true });
  }
});

/** A run of Nx for a project with one target. */
function contextOf(root: string, repository: string): ExecutorContext {
  const options = { stage: 'draft', repository };
  const targets = { 'github-draft': { executor: '@prebuilt/nx:github-release', options } };
  return {
    root,
    cwd: root,
    isVerbose: false,
    projectName: 'agent',
    projectGraph: { nodes: {}, dependencies: {} },
    nxJsonConfiguration: {},
    projectsConfigurations: { version: 2, projects: { agent: { root: 'agent', targets } } },
  };
}

it('a release does nothing for a skipped program', async () => {
  await runReleasePublish({ action: 'leave', project: 'agent', reason: '' }, ROOT, tools());
  expect(seen).toEqual([]);
});
