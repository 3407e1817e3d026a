import { expect, it } from 'vitest';
import { documentationOf } from './package.ts';

it.each([
  [
    'a published package',
    'git+https://github.com/acme/tools.git',
    'https://github.com/acme/tools/blob/HEAD/docs',
  ],
  ['a package published without a repository', undefined, undefined],
  ['a URL that no browser opens', 'git+ssh://git@example.test/tools.git', undefined],
])('%s has its documentation in its repository', (_, url, expected) => {
  expect(documentationOf(url, 'file:///node_modules/@prebuilt/nx/dist/package.js')).toBe(expected);
});

it('the sources have their documentation in the workspace', () => {
  expect(documentationOf(undefined, 'file:///workspace/libs/nx/src/package.ts')).toBe('docs');
});
