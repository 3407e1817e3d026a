import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ProjectContext } from '../project-context.ts';
import { readReleasePublishFacts } from './facts.ts';

const OPTIONS = { dryRun: false, pushTag: true, remote: 'origin' };
const READY = { GITHUB_TOKEN: 'a-token', GITHUB_REPOSITORY: 'acme/agent' };

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'release-publish-'));
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: root });
  git('init', '--quiet');
  git('remote', 'add', 'origin', root);
});
afterAll(() => rm(root, { recursive: true }));

function contextOf(options: object): ProjectContext {
  const executor = '@prebuilt/nx:github-release';
  const targets = { 'github-release': { executor, options: { stage: 'publish', ...options } } };
  const projects = { agent: { root: 'agent', targets } };
  return { root, projectName: 'agent', projectsConfigurations: { version: 2, projects } };
}

it.each<[string, object, Readonly<Record<string, string>>, string | undefined]>([
  ['nothing if both are set', {}, READY, undefined],
  ['a missing token', {}, { ...READY, GITHUB_TOKEN: '' }, 'GITHUB_TOKEN: expected a token'],
  ['a missing repository', {}, { GITHUB_TOKEN: 'a-token' }, 'repository: expected owner/name, found ""'],
  [
    'nothing if the target names the repository',
    { repository: 'acme/agent' },
    { GITHUB_TOKEN: 'x' },
    undefined,
  ],
  ['a plain HTTP URL', {}, { ...READY, GITHUB_API_URL: 'http://github.test' }, 'expected an https URL'],
])('the problem with the GitHub settings is %s', async (_, options, environment, problem) => {
  const { pageProblem } = await readReleasePublishFacts(OPTIONS, contextOf(options), environment);
  if (problem === undefined) expect(pageProblem).toBeUndefined();
  else expect(pageProblem?.message).toContain(problem);
  // `nx release publish` passes no options on.
  expect(pageProblem?.hint ?? '').not.toContain('--repository');
});

it('the facts include the project’s highest tag if `nx release` decided nothing', async () => {
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: root });
  git(...GIT_AUTHOR, 'commit', '--quiet', '--allow-empty', '--message=begin');
  for (const tag of ['v0.9.0', 'v0.10.0', 'relay@2.0.0']) git('tag', tag);
  const read = (more: object) => readReleasePublishFacts({ ...OPTIONS, ...more }, contextOf({}), READY);
  expect((await read({})).highestTag).toBe('v0.10.0');
  expect((await read({ nxReleaseVersionData: {} })).highestTag).toBeUndefined();
});

it('a dry run needs no GitHub settings', async () => {
  const options = { ...OPTIONS, dryRun: true };
  expect((await readReleasePublishFacts(options, contextOf({}), {})).pageProblem).toBeUndefined();
});
