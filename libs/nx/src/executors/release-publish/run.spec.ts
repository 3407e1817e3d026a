import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseReleaseVersion } from '../../version/version.ts';
import type { ReleasePublishPlan } from './plan.ts';
import { type ReleasePublishTools, runReleasePublish } from './run.ts';

const ROOT = import.meta.dirname;
const PLAN: ReleasePublishPlan = {
  action: 'publish',
  project: 'agent',
  version: parseReleaseVersion('1.2.3'),
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
const tools = (failing?: string): ReleasePublishTools => {
  const note = (what: string): boolean => {
    seen.push(`${process.env.RELEASE_VERSION ?? ''}|${what}`);
    return failing === undefined || !what.includes(failing);
  };
  return {
    program: async ({ args }, env) =>
      note(`${env.RELEASE_VERSION} ${args.join(' ').replace(/^\S*nx\.js/, 'nx')}`),
    target: async (target, { dryRun }) => note(`${target}${dryRun ? ' --dry-run' : ''}`),
  };
};
beforeEach(() => {
  seen.length = 0;
  vi.stubEnv('RELEASE_VERSION', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

it('builds, pushes the tag, and then takes step after step, with the version in the environment', async () => {
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
])('stops at the first thing that fails: %s', async (part, count, what) => {
  await expect(runReleasePublish(PLAN, ROOT, tools(part))).rejects.toThrow(
    expect.objectContaining({ code: 'RELEASE_INCOMPLETE', message: `${what}: failed, see above` }),
  );
  expect(seen).toHaveLength(count);
  expect(process.env.RELEASE_VERSION).toBeUndefined();
});

it('does nothing about a program that is left alone', async () => {
  await runReleasePublish({ action: 'leave', project: 'agent', reason: '' }, ROOT, tools());
  expect(seen).toEqual([]);
});
