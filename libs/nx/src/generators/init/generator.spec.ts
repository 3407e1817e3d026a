import { readNxJson, type Tree, updateNxJson } from '@nx/devkit';
import { createTreeWithEmptyWorkspace } from '@nx/devkit/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import initGenerator from './generator.ts';

let tree: Tree;
beforeEach(() => {
  tree = createTreeWithEmptyWorkspace();
  tree.delete('.gitignore');
});

const plugins = () => readNxJson(tree)?.plugins;

describe('the init generator', () => {
  it('registers the plugin and adds build output to .gitignore', async () => {
    await initGenerator(tree, {});
    expect(plugins()).toEqual(['@prebuilt/nx']);
    expect(tree.read('.gitignore', 'utf8')).toBe('/dist\n/.cache/prebuilt\n');
  });

  it('changes nothing when run again', async () => {
    tree.write('.gitignore', 'node_modules');
    await initGenerator(tree, { repository: 'ghcr.io/acme/{projectName}' });
    const before = tree.listChanges().map(({ path, content }) => [path, `${content}`]);
    await initGenerator(tree, {});
    expect(tree.listChanges().map(({ path, content }) => [path, `${content}`])).toEqual(before);
    expect(plugins()).toEqual([
      { plugin: '@prebuilt/nx', options: { repository: 'ghcr.io/acme/{projectName}' } },
    ]);
  });

  it('keeps other plugins and existing options', async () => {
    const mine = { plugin: '@prebuilt/nx', options: { platforms: ['linux/arm64'] }, include: ['apps/**'] };
    updateNxJson(tree, { plugins: ['@nx/js', mine] });
    await initGenerator(tree, { repository: 'ghcr.io/acme/x' });
    expect(plugins()).toEqual([
      '@nx/js',
      { ...mine, options: { platforms: ['linux/arm64'], repository: 'ghcr.io/acme/x' } },
    ]);
  });

  it.each([
    ['dist\n.cache\n', 'dist\n.cache\n'],
    ['/dist/\n', '/dist/\n/.cache/prebuilt\n'],
    ['**/dist\n', '**/dist\n/.cache/prebuilt\n'],
    ['dist-other', 'dist-other\n/dist\n/.cache/prebuilt\n'],
  ])('adds to the .gitignore %j only what it does not cover yet', async (before, after) => {
    tree.write('.gitignore', before);
    await initGenerator(tree, {});
    expect(tree.read('.gitignore', 'utf8')).toBe(after);
  });
});
