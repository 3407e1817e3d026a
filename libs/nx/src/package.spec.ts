import { expect, it } from 'vitest';
import { documentationOf } from './package.ts';

it.each([
  [
    'a published package',
    'git+https://github.com/acme/tools.git',
    'https://github.com/acme/tools/blob/HEAD/docs',
  ],
  ['a package published without a repository', undefined, undefined],
  ['an address that no browser opens', 'git+ssh://git@example.test/tools.git', undefined],
])('%s has its pages where its repository is', (_, url, expected) => {
  expect(documentationOf(url, 'file:///node_modules/@prebuilt/nx/dist/package.js')).toBe(expected);
});

it('the sources have their pages in the workspace', () => {
  expect(documentationOf(undefined, 'file:///workspace/libs/nx/src/package.ts')).toBe('docs');
});
