import fc from 'fast-check';
import { valid } from 'semver';
import { describe, expect, it } from 'vitest';
import { PrebuiltError } from '../errors.ts';
import { type VersionFacts, versionFromFacts } from './build-version.ts';
import { DEFAULT_TAG_PATTERN, parseTagPattern } from './tag-pattern.ts';
import { isPrerelease, parseReleaseVersion } from './version.ts';

describe('parseReleaseVersion', () => {
  it.each([
    ['1.2.3', '1.2.3'],
    ['v1.2.3', '1.2.3'],
    ['0.0.0', '0.0.0'],
    ['1.2.3-rc.1', '1.2.3-rc.1'],
    ['1.2.3-0a.b-c', '1.2.3-0a.b-c'],
    ['v1.2.3-rc.1+build.007', '1.2.3-rc.1+build.007'],
    ['1.2.3+sha', '1.2.3+sha'],
  ])('reads %s as %s', (text, version) => {
    expect(parseReleaseVersion(text)).toBe(version);
  });

  it.each([
    '',
    'v',
    '1',
    'v1',
    '1.2',
    '1.2.3.4',
    '01.2.3',
    '1.02.3',
    '1.2.3-',
    '1.2.3-01',
    '1.2.3-a..b',
    '1.2.3+',
    '1.2.3 ',
    ' 1.2.3',
    '1.2.3\n',
    'vv1.2.3',
    'V1.2.3',
    '=1.2.3',
    '1.2.3; id',
    '../x',
    '$(id)',
    '1.2.3/../../x',
    '١.٢.٣',
    'latest',
    '9007199254740993.0.0',
    '1'.repeat(300),
    `1.2.3-${'a'.repeat(123)}`,
  ])('refuses %j', (text) => {
    expect(() => parseReleaseVersion(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_VERSION', message: expect.stringContaining('SemVer') }),
    );
  });

  it('agrees with the reference implementation on any text without a prefix or spaces', () => {
    const part = fc.oneof(
      fc.nat().map(String),
      fc.constantFrom('0', '00', '01', 'a', '-', 'rc', '', 'x1', '1x'),
    );
    const text = fc
      .tuple(part, part, part, fc.array(part, { maxLength: 3 }), fc.array(part, { maxLength: 2 }))
      .map(([a, b, c, pre, build]) => {
        const tail = pre.length > 0 ? `-${pre.join('.')}` : '';
        return `${a}.${b}.${c}${tail}${build.length > 0 ? `+${build.join('.')}` : ''}`;
      });
    fc.assert(
      fc.property(text, (candidate) => {
        const expected = valid(candidate) !== null;
        try {
          expect(parseReleaseVersion(candidate)).toBe(candidate);
          expect(expected).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(PrebuiltError);
          expect(expected).toBe(false);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('isPrerelease', () => {
  it.each([
    ['1.2.3', false],
    ['1.2.3+rc', false],
    ['1.2.3-rc.1', true],
    ['1.2.3-0+x', true],
  ])('%s: %s', (text, expected) => {
    expect(isPrerelease(parseReleaseVersion(text))).toBe(expected);
  });
});

describe('versionFromFacts', () => {
  const head = { revision: 'a'.repeat(40), date: 1_700_000_000 };
  const facts = (change: Partial<VersionFacts>): VersionFacts => ({
    releaseVersion: undefined,
    tagsAtHead: [],
    tagPattern: DEFAULT_TAG_PATTERN,
    head,
    ...change,
  });
  const release = { development: false, revision: head.revision, sourceDateEpoch: head.date };

  it.each<[string, Partial<VersionFacts>, object]>([
    [
      'RELEASE_VERSION over tags',
      { releaseVersion: 'v2.0.0', tagsAtHead: ['v1.0.0'] },
      { version: '2.0.0', ...release },
    ],
    ['the version tag at HEAD', { tagsAtHead: ['nightly', 'v1.0.0'] }, { version: '1.0.0', ...release }],
    [
      'the tag that matches the pattern',
      { tagsAtHead: ['2.0.0', 'v1.0.0'] },
      { version: '1.0.0', ...release },
    ],
    [
      'the project’s own tag among those of others',
      {
        tagsAtHead: ['v9.0.0', 'tool@3.0.0', 'server@1.0.0', 'server@next'],
        tagPattern: parseTagPattern('{projectName}@{version}', { projectName: 'server' }),
      },
      { version: '1.0.0', ...release },
    ],
    [
      'no version from an empty RELEASE_VERSION',
      { releaseVersion: '', tagsAtHead: ['v1.0.0'] },
      { version: '1.0.0', ...release },
    ],
    [
      'no commit and no date for a development build',
      { tagsAtHead: ['nightly', 'v1'] },
      { version: '0.0.0-dev', development: true, revision: null, sourceDateEpoch: 0 },
    ],
    [
      'a release outside a repository',
      { releaseVersion: '1.0.0', head: undefined },
      { version: '1.0.0', development: false, revision: null, sourceDateEpoch: 0 },
    ],
  ])('uses %s', (_, change, expected) => {
    expect(versionFromFacts(facts(change))).toEqual(expected);
  });

  it('asks for RELEASE_VERSION if HEAD has several version tags', () => {
    expect(() => versionFromFacts(facts({ tagsAtHead: ['v1.10.0', 'v1.9.0'] }))).toThrow(
      expect.objectContaining({
        code: 'SEVERAL_VERSION_TAGS',
        message: expect.stringContaining('v1.9.0, v1.10.0'),
        hint: expect.stringContaining('RELEASE_VERSION=1.10.0'),
      }),
    );
  });

  it('refuses a RELEASE_VERSION that is not a version', () => {
    expect(() => versionFromFacts(facts({ releaseVersion: '1.2' }))).toThrow('found "1.2"');
  });
});
