import { createTreeWithEmptyWorkspace } from '@nx/devkit/testing';
import { describe, expect, it } from 'vitest';
import GitTagVersionActions, { pageTwice } from './version-actions.ts';

type Changelog = Parameters<typeof pageTwice>[1];
type Arguments = ConstructorParameters<typeof GitTagVersionActions>;

const WITH_PAGE = { 'github-release': { executor: '@prebuilt/nx:github-release' } };

function actions(changelog: object | false, targets: object = WITH_PAGE): GitTagVersionActions {
  return new GitTagVersionActions(
    { changelog, version: {} } as unknown as Arguments[0],
    { name: 'agent', type: 'app', data: { root: 'agent', targets } } as Arguments[1],
    { manifestRootsToUpdate: [] } as unknown as Arguments[2],
  );
}

describe('a program’s versions', () => {
  it('a program’s versions are in no file, and count from 0.0.0 for a first release', async () => {
    const tree = createTreeWithEmptyWorkspace();
    const before = tree.listChanges().length;
    const own = actions(false);
    await own.init(tree);
    await own.validate(tree);
    expect(await own.readCurrentVersionFromSourceManifest()).toMatchObject({ currentVersion: '0.0.0' });
    const reason = ['USER_SPECIFIER', {}, ''] as const;
    expect(await own.calculateNewVersion('1.2.3', 'minor', ...reason)).toMatchObject({ newVersion: '1.3.0' });
    expect(await own.updateProjectVersion(tree, '1.3.0')).toHaveLength(1);
    expect(tree.listChanges()).toHaveLength(before);
  });

  it('a program’s version is refused before anything happens if Nx would create its own page', async () => {
    const tree = createTreeWithEmptyWorkspace();
    await expect(actions({ createRelease: 'github' }).validate(tree)).rejects.toThrow(
      /agent: its release page would be created twice.*changelog\.createRelease/,
    );
  });
});

describe('a release page', () => {
  it.each<[string, object, Changelog]>([
    ['only by Nx, without a target for it', {}, { createRelease: 'github' }],
    ['once, without createRelease', WITH_PAGE, {}],
    ['once, with createRelease turned off', WITH_PAGE, { createRelease: false }],
    ['once, without a changelog', WITH_PAGE, false],
  ])('a release page is created %s', (_, targets, changelog) => {
    expect(pageTwice({ ...targets }, changelog, {})).toBeUndefined();
  });

  it('a release page is created twice if the workspace also has a release', () => {
    const release = { changelog: { workspaceChangelog: { createRelease: 'github' as const } } };
    expect(pageTwice(WITH_PAGE, false, { release })).toContain('changelog.workspaceChangelog.createRelease');
  });
});
