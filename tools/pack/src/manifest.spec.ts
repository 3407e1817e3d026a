import { describe, expect, it } from 'vitest';
import { publishedManifest, type SourceManifest } from './manifest.ts';
import { rescopeTo } from './scope.ts';

const SOURCE: SourceManifest = {
  name: '@prebuilt/nx',
  version: '1.2.3',
  license: 'MIT',
  type: 'module',
  exports: { '.': './src/plugin.ts', './testing': './testing/index.ts' },
  executors: './executors.json',
  files: ['dist'],
  dependencies: { '@prebuilt/oci': '*', execa: '10.2.1' },
  devDependencies: { '@prebuilt/testing': '0.0.0' },
  scripts: { test: 'vitest run' },
  nx: { name: 'nx-prebuilt' },
  publishConfig: { access: 'public', exports: { '.': './dist/plugin.js' } },
};

function publish(source: SourceManifest, scope = '@prebuilt', repository?: string) {
  const rescope = rescopeTo(['@prebuilt/nx', '@prebuilt/oci'], scope);
  const versions = new Map([['@prebuilt/oci', '1.2.3']]);
  const privateNames = new Set(['@prebuilt/testing']);
  return JSON.parse(
    publishedManifest(source, { rescope, versions, privateNames, repository, directory: 'libs/nx' }),
  );
}

describe('a published package.json', () => {
  it('holds what users need, and nothing that only the workspace uses', () => {
    expect(publish(SOURCE)).toEqual({
      name: '@prebuilt/nx',
      version: '1.2.3',
      license: 'MIT',
      type: 'module',
      executors: './executors.json',
      files: ['dist'],
      exports: { '.': './dist/plugin.js' },
      dependencies: { '@prebuilt/oci': '1.2.3', execa: '10.2.1' },
      publishConfig: { access: 'public' },
    });
  });

  it('names the repository as npm writes it, where that is known', () => {
    expect(publish(SOURCE, '@prebuilt', 'https://github.com/acme/tools').repository).toEqual({
      type: 'git',
      url: 'git+https://github.com/acme/tools.git',
      directory: 'libs/nx',
    });
  });

  it('carries the scope of whoever publishes in its name and its dependencies', () => {
    const { name, dependencies } = publish(SOURCE, '@acme');
    expect(name).toBe('@acme/nx');
    expect(dependencies).toEqual({ '@acme/oci': '1.2.3', execa: '10.2.1' });
  });

  it.each([
    ['a package that is private', { private: true }, 'found "private": true'],
    ['one without exports of its own', { publishConfig: {} }, 'expected publishConfig.exports, found none'],
    ['a dependency that is private', { dependencies: { '@prebuilt/testing': '*' } }, '@prebuilt/testing'],
  ])('a published package.json is refused for %s', (_, change, message) => {
    expect(() => publish({ ...SOURCE, ...change })).toThrow(message);
  });
});
