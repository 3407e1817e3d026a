import { describe, expect, it } from 'vitest';
import { highestTag, previousTag } from './previous.ts';
import { DEFAULT_TAG_PATTERN } from './tag-pattern.ts';
import { parseReleaseVersion } from './version.ts';

describe('the previous tag', () => {
  it.each<[string, readonly string[], string | undefined]>([
    ['1.2.3', ['v1.2.2', 'v1.2.3', 'v1.2.4'], 'v1.2.2'],
    ['1.10.0', ['v1.9.0', 'v1.2.0'], 'v1.9.0'],
    ['1.2.3', ['v1.2.2', 'v1.2.3-rc.1'], 'v1.2.2'],
    ['1.2.3-rc.2', ['v1.2.2', 'v1.2.3-rc.1'], 'v1.2.3-rc.1'],
    ['1.0.0', ['v1.0.0', 'nightly', '0.9', '01.0.0'], undefined],
    ['1.0.0', [], undefined],
  ])('the previous tag for %s among %j is %s', (version, tags, expected) => {
    expect(previousTag(parseReleaseVersion(version), tags, DEFAULT_TAG_PATTERN)).toBe(expected);
  });
});

it('the highest tag is the one for the project’s highest version, in any order', () => {
  const tags = ['v1.9.0', 'nightly', 'v1.10.0-rc.1', 'agent@9.9.9', 'v1.2.0'];
  expect(highestTag(tags, DEFAULT_TAG_PATTERN)).toBe('v1.10.0-rc.1');
  expect(highestTag(['nightly'], DEFAULT_TAG_PATTERN)).toBeUndefined();
});
