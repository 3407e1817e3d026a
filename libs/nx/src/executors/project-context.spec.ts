import { describe, expect, it } from 'vitest';
import {
  commandOf,
  fillCommands,
  type ProjectContext,
  sourceFolders,
  tagPatternFor,
} from './project-context.ts';

const context: ProjectContext = {
  root: '/workspace',
  projectName: '@acme/server',
  nxJsonConfiguration: { release: { projectsRelationship: 'independent' } },
  projectsConfigurations: {
    version: 2,
    projects: {
      '@acme/server': {
        root: 'apps/server',
        targets: {
          compile: { executor: '@prebuilt/nx:build-binaries' },
          draft: { executor: '@prebuilt/nx:github-release', options: { stage: 'draft' } },
          'github-release': { executor: '@prebuilt/nx:github-release', options: { stage: 'publish' } },
        },
      },
    },
  },
  projectGraph: {
    nodes: Object.fromEntries(
      ['@acme/server', 'model', 'util', 'other'].map((name) => [
        name,
        { type: 'lib', name, data: { root: `libs/${name}` } },
      ]),
    ),
    dependencies: {
      '@acme/server': [
        { source: '@acme/server', target: 'model', type: 'static' },
        { source: '@acme/server', target: 'npm:semver', type: 'static' },
      ],
      model: [{ source: 'model', target: 'util', type: 'static' }],
      util: [{ source: 'util', target: 'model', type: 'static' }],
    },
  },
};

describe('a hint', () => {
  it.each([
    ['build-binaries', 'npx nx run @acme/server:compile'],
    ['github-draft', 'npx nx run @acme/server:draft'],
    ['verify', 'npx nx run @acme/server:verify'],
  ])('a hint names the command for the step %s in the user’s workspace', (step, command) => {
    expect(commandOf(step, context)).toBe(command);
  });

  it('a hint may name several commands', () => {
    expect(fillCommands('{run build-binaries}, then {run verify}', context)).toBe(
      'npx nx run @acme/server:compile, then npx nx run @acme/server:verify',
    );
  });

  it('a hint may name the target that failed', () => {
    const failed = { ...context, targetName: 'image' };
    expect(fillCommands('Again: {run} --allow-retag', failed)).toBe(
      'Again: npx nx run @acme/server:image --allow-retag',
    );
    expect(fillCommands('{run}', { root: '/' })).toBe('npx nx run <project>:<target>');
  });

  it('a command has a placeholder if the project is not known', () => {
    expect(commandOf('verify', { root: '/' })).toBe('npx nx run <project>:verify');
  });
});

describe('the project of an executor', () => {
  it('the project of an executor has the tag pattern from nx.json', () => {
    expect(tagPatternFor(context).text).toBe('@acme/server@{version}');
    expect(tagPatternFor({ root: '/' }).text).toBe('v{version}');
  });

  it('the source folders of a project are its own and those of all its dependencies', () => {
    expect(sourceFolders(context)).toEqual(['libs/@acme/server', 'libs/model', 'libs/util']);
    expect(sourceFolders({ root: '/' })).toEqual([]);
  });
});
