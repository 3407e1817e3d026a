import { describe, expect, it } from 'vitest';
import { PrebuiltError } from '../../errors.ts';
import { parseTagPattern } from '../../version/tag-pattern.ts';
import type { ReleasePublishFacts } from './facts.ts';
import { planReleasePublish } from './plan.ts';
import { formatReleasePlan } from './show.ts';

const OPTIONS = { dryRun: false, pushTag: true, remote: 'origin' };

const FACTS: ReleasePublishFacts = {
  project: 'agent',
  decided: undefined,
  releaseVersion: undefined,
  tagsAtHead: ['relay@2.0.0', 'agent@1.2.3'],
  tagPattern: parseTagPattern('{projectName}@{version}', { projectName: 'agent' }),
  targets: {
    draft: 'github-draft',
    image: 'docker-publish',
    page: 'github-release',
    built: ['docker-release', 'verify', 'sbom'],
  },
  highestTag: undefined,
  remoteTags: ['agent@1.2.3'],
  pageProblem: undefined,
};

describe('what `nx release` publishes', () => {
  it('`nx release` publishes the draft, the image and the page of the tag at HEAD, once everything is built', () => {
    expect(planReleasePublish(FACTS, OPTIONS)).toEqual({
      action: 'publish',
      project: 'agent',
      version: '1.2.3',
      dryRun: false,
      tag: 'agent@1.2.3',
      build: ['docker-release', 'verify', 'sbom'],
      pushTo: undefined,
      steps: [
        { target: 'github-draft', dryRun: false, reason: 'the draft of the release page, with its files' },
        { target: 'docker-publish', dryRun: false, reason: 'the image' },
        { target: 'github-release', dryRun: false, reason: 'the release page' },
      ],
      leftOut: undefined,
    });
  });

  it.each([
    ['the image of a program without a page', { draft: undefined, page: undefined }, ['docker-publish']],
    ['the page of a program without an image', { image: undefined }, ['github-draft', 'github-release']],
  ])('`nx release` publishes only %s', (_, targets, steps) => {
    const plan = planReleasePublish({ ...FACTS, targets: { ...FACTS.targets, ...targets } }, OPTIONS);
    expect(plan.action === 'publish' && plan.steps.map(({ target }) => target)).toEqual(steps);
  });

  it('`nx release` publishes the version that was decided, whatever the environment and HEAD say', () => {
    const decided = { agent: { newVersion: '1.3.0' }, relay: { newVersion: '9.9.9' } };
    const facts = { ...FACTS, decided, releaseVersion: '4.4.4', remoteTags: [] };
    expect(planReleasePublish(facts, OPTIONS)).toMatchObject({
      version: '1.3.0',
      tag: 'agent@1.3.0',
      pushTo: 'origin',
    });
  });

  it.each([
    ['got no new version', { decided: { agent: { newVersion: null } } }, 'gave it no new version'],
    ['was not considered', { decided: { relay: { newVersion: '1.0.0' } } }, 'gave it no new version'],
    ['has no tag at HEAD', { tagsAtHead: ['relay@2.0.0'] }, 'HEAD has no tag agent@{version}'],
    [
      'has its tag on another commit',
      { tagsAtHead: [], highestTag: 'agent@1.2.3' },
      'HEAD has no tag agent@{version}; to finish agent@1.2.3: git checkout agent@1.2.3',
    ],
  ])('`nx release` publishes nothing for a program that %s', (_, facts, reason) => {
    const plan = planReleasePublish({ ...FACTS, ...facts }, OPTIONS);
    expect(plan.action).toBe('leave');
    expect(formatReleasePlan(plan)).toContain(reason);
  });

  it('a dry run only tries what it can, and says what runs last', () => {
    const plan = planReleasePublish({ ...FACTS, remoteTags: undefined }, { ...OPTIONS, dryRun: true });
    expect(plan).toMatchObject({
      dryRun: true,
      pushTo: undefined,
      steps: [
        { target: 'github-draft', dryRun: true },
        { target: 'docker-publish', dryRun: true },
      ],
      leftOut: 'github-release',
    });
    expect(formatReleasePlan(plan)).toContain('github-release  runs last in a real release');
  });

  it('`nx release` fails before it pushes if the GitHub settings are wrong, unless it publishes nothing', () => {
    const pageProblem = new PrebuiltError('GITHUB', 'GITHUB_TOKEN: expected a token, found none');
    const facts = { ...FACTS, pageProblem, remoteTags: [] };
    expect(() => planReleasePublish(facts, OPTIONS)).toThrow(pageProblem);
    expect(planReleasePublish({ ...facts, tagsAtHead: [] }, OPTIONS).action).toBe('leave');
  });

  it('`nx release` refuses a tag that the remote lacks if it may not push it, and refuses two versions at HEAD', () => {
    expect(() => planReleasePublish({ ...FACTS, remoteTags: [] }, { ...OPTIONS, pushTag: false })).toThrow(
      expect.objectContaining({ code: 'VERSION', hint: 'Push it: git push origin agent@1.2.3' }),
    );
    const tagsAtHead = ['agent@1.2.3', 'agent@1.2.4'];
    expect(() => planReleasePublish({ ...FACTS, tagsAtHead }, OPTIONS)).toThrow(
      expect.objectContaining({ code: 'SEVERAL_VERSION_TAGS' }),
    );
  });
});
