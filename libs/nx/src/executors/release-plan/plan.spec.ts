import { describe, expect, it } from 'vitest';
import { DEFAULT_TAG_PATTERN, parseTagPattern } from '../../version/tag-pattern.ts';
import { planRelease } from './plan.ts';

const facts = (releaseVersion: string | undefined, tagsAtHead: readonly string[] = ['v1.2.3']) => ({
  releaseVersion,
  gitTags: ['v1.0.0', ...tagsAtHead],
  tagsAtHead,
  tagPattern: DEFAULT_TAG_PATTERN,
  head: undefined,
  shallow: false,
});

describe('a release', () => {
  it('a release starts from its tag', () => {
    expect(planRelease(facts('v1.2.3'), 'auto')).toMatchObject({
      version: '1.2.3',
      tag: 'v1.2.3',
      prerelease: false,
    });
    expect(planRelease(facts('1.2.3-rc.1', ['v1.2.3-rc.1']), 'auto').prerelease).toBe(true);
  });

  it('a release takes its version from the only tag at HEAD if none is given, even if tags name the program', () => {
    const tagPattern = parseTagPattern('{projectName}@{version}', { projectName: 'server' });
    const tagsAtHead = ['server@1.2.3', 'agent@1.2.4'];
    expect(planRelease({ ...facts('', tagsAtHead), tagPattern, gitTags: tagsAtHead }, 'auto')).toMatchObject({
      version: '1.2.3',
      tag: 'server@1.2.3',
    });
  });

  it.each(['vNext', 'v1.2', '1.2.3; id', 'v1.2.3;id', '../x', 'refs/tags/v1.2.3', 'v01.2.3'])(
    'a release does not start from %s',
    (version) => {
      expect(() => planRelease(facts(version), 'auto')).toThrow(
        expect.objectContaining({ code: 'INVALID_VERSION' }),
      );
    },
  );

  it.each([
    ['no version', facts(undefined, []), 'VERSION'],
    ['an empty version and the tag of another program', facts('', ['other@1.2.3']), 'VERSION'],
    ['two versions', facts(undefined, ['v1.2.3', 'v1.2.4']), 'SEVERAL_VERSION_TAGS'],
    ['a tag that is not at HEAD', { ...facts('1.2.3', []), gitTags: ['v1.2.3'] }, 'VERSION'],
    ['a tag without the v', { ...facts('1.2.3', ['1.2.3']) }, 'VERSION'],
    ['build metadata', facts('1.2.3+b', ['v1.2.3+b']), 'BUILD_METADATA'],
    ['a shallow clone', { ...facts('1.2.3'), shallow: true }, 'UNKNOWN_HISTORY'],
  ])('a release does not start with %s', (_, given, code) => {
    expect(() => planRelease(given, 'auto')).toThrow(expect.objectContaining({ code }));
  });
});
