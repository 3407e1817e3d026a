import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ReleaseConfiguration, tagPatternOf } from './release-config.ts';
import { parseTagPattern } from './tag-pattern.ts';
import { parseReleaseVersion } from './version.ts';

const server = { projectName: 'server' };

describe('a tag pattern', () => {
  it.each([
    ['v{version}', 'v1.2.3', '1.2.3'],
    ['{projectName}@{version}', 'server@1.2.3-rc.1', '1.2.3-rc.1'],
    ['{version}', '1.2.3', '1.2.3'],
    ['release/{version}/{projectName}', 'release/1.2.3/server', '1.2.3'],
    ['v{version}', '1.2.3', undefined],
    ['v{version}', 'vv1.2.3', undefined],
    ['{projectName}@{version}', 'server@v1.2.3', undefined],
    ['{projectName}@{version}', 'tool@1.2.3', undefined],
    ['{projectName}@{version}', 'server@next', undefined],
    ['{projectName}@{version}', 'server-admin@1.2.3', undefined],
    ['x{version}x', 'x', undefined],
  ])('%s reads %s as %s', (pattern, tag, version) => {
    expect(parseTagPattern(pattern, server).parse(tag)).toBe(version);
  });

  it.each(['v', '', '{projectName}', '{version}-{version}', '{Version}'])('refuses %j', (pattern) => {
    expect(() => parseTagPattern(pattern, server)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining('{version} once'),
      }),
    );
  });

  it('parses every tag that it formats', () => {
    const affix = fc.stringMatching(/^[a-z@/.-]{0,8}$/);
    fc.assert(
      fc.property(affix, affix, fc.nat(99), fc.nat(99), (prefix, suffix, major, minor) => {
        const version = parseReleaseVersion(`${major}.${minor}.0`);
        const pattern = parseTagPattern(`${prefix}{version}${suffix}`, server);
        expect(pattern.parse(pattern.format(version))).toBe(version);
      }),
    );
  });
});

describe('the tag pattern of a project', () => {
  const project = { name: 'server', root: 'apps/server', tags: ['type:program'] };
  const pattern = '{projectName}/{version}';

  it.each<[string, ReleaseConfiguration | undefined, string]>([
    ['nothing', undefined, 'v{version}'],
    ['independent projects', { projectsRelationship: 'independent' }, 'server@{version}'],
    ['a workspace pattern', { releaseTag: { pattern } }, 'server/{version}'],
    ['a pattern in Nx 22 syntax', { releaseTagPattern: pattern }, 'server/{version}'],
    ['a group that includes it', { groups: { programs: { projects: ['server'] } } }, 'programs-v{version}'],
    ['a group for another project', { groups: { programs: { projects: ['tool'] } } }, 'v{version}'],
    [
      'an independent group',
      { groups: { programs: { projects: 'ser*', projectsRelationship: 'independent' } } },
      'server@{version}',
    ],
    [
      'a group pattern, which takes precedence over the workspace’s',
      {
        releaseTag: { pattern: 'v{version}' },
        groups: { g: { projects: ['apps/*'], releaseTag: { pattern } } },
      },
      'server/{version}',
    ],
    [
      'a group by tag',
      { groups: { g: { projects: ['tag:type:*'], releaseTag: { pattern } } } },
      'server/{version}',
    ],
    [
      'a group that excludes it',
      { groups: { g: { projects: ['*', '!server'], releaseTag: { pattern } } } },
      'v{version}',
    ],
  ])('the tag pattern of a project with %s', (_, release, expected) => {
    expect(tagPatternOf(release, project).text).toBe(expected);
  });
});
