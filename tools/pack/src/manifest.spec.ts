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
  it('a published package.json has what users need, and nothing that only the workspace uses', () => {
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

  it('a published package.json gives the repository in npm’s form, if it is known', () => {
    expect(publish(SOURCE, '@prebuilt', 'https://github.com/acme/tools').repository).toEqual({
      type: 'git',
      url: 'git+https://github.com/acme/tools.git',
      directory: 'libs/nx',
    });
  });

  it('a published package.json uses the publisher’s scope in its name and dependencies', () => {
    const { name, dependencies } = publish(SOURCE, '@acme');
    expect(name).toBe('@acme/nx');
    expect(dependencies).toEqual({ '@acme/oci': '1.2.3', execa: '10.2.1' });
  });

  it.each([
    ['a private package', { private: true }, 'found "private": true'],
    ['a package without exports', { publishConfig: {} }, 'expected publishConfig.exports, found none'],
    ['a private dependency', { dependencies: { '@prebuilt/testing': '*' } }, '@prebuilt/testing'],
  ])('a published package.json is refused for %s', (_, change, message) => {
    expect(() => publish({ ...SOURCE, ...change })).toThrow(message);
  });
});
