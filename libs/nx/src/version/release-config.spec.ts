import { expect, it } from 'vitest';
import { changelogFiles, namesVersionActions, type ReleaseConfiguration } from './release-config.ts';

const PROJECT = { name: 'agent', root: 'apps/agent', tags: ['prebuilt'] };
const projects = ['tag:prebuilt'];

// Where `nx release` 23.2 wrote changelogs with each of these in nx.json.
it.each<[string, ReleaseConfiguration | undefined, readonly string[]]>([
  ['no releases at all', undefined, []],
  ['releases of other projects', { projects: ['lib'] }, []],
  ['one version for all', { projects }, ['CHANGELOG.md']],
  [
    'one version for all, and a file per project',
    { projects, changelog: { projectChangelogs: true } },
    ['apps/agent/CHANGELOG.md', 'CHANGELOG.md'],
  ],
  [
    'files with other names',
    {
      projects,
      changelog: {
        projectChangelogs: { file: 'notes/{projectName}.md' },
        workspaceChangelog: { file: '{workspaceRoot}/CHANGES.md' },
      },
    },
    ['notes/agent.md', 'CHANGES.md'],
  ],
  ['no files', { projects, changelog: { workspaceChangelog: { file: false } } }, []],
  [
    'a group with a version per project',
    { groups: { programs: { projects, projectsRelationship: 'independent', changelog: true } } },
    ['apps/agent/CHANGELOG.md'],
  ],
  [
    'a group whose file is named after it',
    { groups: { programs: { projects, changelog: { file: '{projectRoot}/{releaseGroupName}.md' } } } },
    ['apps/agent/programs.md', 'CHANGELOG.md'],
  ],
])('with %s, changelogs are found where Nx writes them', (_, release, files) => {
  expect(changelogFiles(release, PROJECT)).toEqual(files);
});

it.each<[string, ReleaseConfiguration | undefined, boolean]>([
  ['nothing', undefined, false],
  ['the workspace', { version: { versionActions: '@acme/versions' } }, true],
  ['its group', { groups: { a: { projects, version: { versionActions: './versions' } } } }, true],
  [
    'another project’s group',
    { groups: { a: { projects: ['b'], version: { versionActions: './v' } } } },
    false,
  ],
])('namesVersionActions checks %s', (_, release, expected) => {
  expect(namesVersionActions(release, PROJECT)).toBe(expected);
});
