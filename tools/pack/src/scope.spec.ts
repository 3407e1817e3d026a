import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rescopeTo } from './scope.ts';

const NAMES = ['@prebuilt/elf', '@prebuilt/nx'];

describe('the scope of the published packages', () => {
  it.each([
    ['an import', "from '@prebuilt/elf';", "from '@acme/elf';"],
    ['an executor', '"@prebuilt/nx:verify"', '"@acme/nx:verify"'],
    ['a path', '../node_modules/@prebuilt/nx/schemas/x.json', '../node_modules/@acme/nx/schemas/x.json'],
    ['a key', '{"@prebuilt/nx":"1.0.0"}', '{"@acme/nx":"1.0.0"}'],
    ['every one of several', '@prebuilt/nx and @prebuilt/nx', '@acme/nx and @acme/nx'],
  ])('the scope of the published packages changes in %s', (_, text, expected) => {
    expect(rescopeTo(NAMES, '@acme')(text)).toBe(expected);
  });

  it.each([
    ['a longer name', '@prebuilt/nx-cloud'],
    ['a package that is not published', '@prebuilt/testing'],
    ['another scope', '@prebuilder/nx'],
  ])('the scope of the published packages stays the same in %s', (_, text) => {
    expect(rescopeTo(NAMES, '@acme')(text)).toBe(text);
  });

  it('a text stays the same if the scope is that of the sources', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('@prebuilt/nx', '@prebuilt/', 'nx', ':', 'x')), (parts) => {
        expect(rescopeTo(NAMES, '@prebuilt')(parts.join(''))).toBe(parts.join(''));
      }),
    );
  });

  it.each(['', 'acme', '@', '@Acme', '@acme/nx', '@a b', '@_acme'])('refuses the scope %j', (scope) => {
    expect(() => rescopeTo(NAMES, scope)).toThrow('expected a scope such as @acme');
  });
});
