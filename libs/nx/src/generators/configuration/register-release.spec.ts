import { expect, it } from 'vitest';
import { isReleased } from '../../version/release-config.ts';
import { withPrograms } from './register-release.ts';

const AGENT = { name: 'agent', root: 'apps/agent', tags: ['prebuilt'] };

it.each([
  ['no releases', undefined, { projects: ['tag:prebuilt'] }],
  [
    'only a tag pattern',
    { releaseTag: { pattern: '{projectName}@{version}' } },
    { releaseTag: { pattern: '{projectName}@{version}' }, projects: ['tag:prebuilt'] },
  ],
  ['one project, as text', { projects: 'lib' }, { projects: ['lib', 'tag:prebuilt'] }],
  ['projects', { projects: ['lib', '!apps/*'] }, { projects: ['lib', '!apps/*', 'tag:prebuilt'] }],
  [
    'groups',
    { groups: { packages: { projects: ['lib'] } } },
    {
      groups: {
        packages: { projects: ['lib'] },
        programs: {
          projects: ['tag:prebuilt'],
          projectsRelationship: 'independent',
          releaseTag: { pattern: '{projectName}@{version}' },
        },
      },
    },
  ],
  [
    'groups, including one with the name for the new group',
    { releaseTag: { pattern: '{projectName}/{version}' }, groups: { programs: { projects: ['other'] } } },
    {
      releaseTag: { pattern: '{projectName}/{version}' },
      groups: {
        programs: { projects: ['other'] },
        prebuilt: {
          projects: ['tag:prebuilt'],
          projectsRelationship: 'independent',
          releaseTag: { pattern: '{projectName}/{version}' },
        },
      },
    },
  ],
] as const)('a workspace with %s in nx.json releases programs after registration', (_, release, expected) => {
  const added = withPrograms(release, AGENT);
  expect(added).toEqual(expected);
  expect(isReleased(added, AGENT)).toBe(true);
});

it.each([
  ['by its name', { projects: ['agent'] }],
  ['by its folder', { projects: ['apps/*'] }],
  ['by its tag', { projects: ['tag:prebuilt'] }],
  ['in a group', { groups: { all: { projects: '*' } } }],
])('nothing is changed if a program is already released %s', (_, release) => {
  expect(withPrograms(release, AGENT)).toBeUndefined();
});
