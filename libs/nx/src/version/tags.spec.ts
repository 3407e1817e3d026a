import fc from 'fast-check';
import { compare } from 'semver';
import { describe, expect, it } from 'vitest';
import { DEFAULT_TAG_PATTERN } from './tag-pattern.ts';
import { planTags, type TagFacts, type TagOptions, tagsOfVersion } from './tags.ts';
import { isPrerelease, parseReleaseVersion } from './version.ts';

const AUTO: TagOptions = { spellings: ['plain', 'v'], moving: 'auto' };

function facts(version: string, history: readonly string[], registryTags: readonly string[] = []): TagFacts {
  return {
    version: parseReleaseVersion(version),
    gitTags: [...history.map((each) => `v${each}`), `v${version}`],
    tagPattern: DEFAULT_TAG_PATTERN,
    shallow: false,
    registryTags,
  };
}

function moved(version: string, history: readonly string[], registryTags: readonly string[] = []): string {
  return planTags(facts(version, history, registryTags), AUTO)
    .filter(({ kind, move }) => kind === 'moving' && move)
    .map(({ tag }) => tag)
    .join(' ');
}

describe('the moving tags of a version', () => {
  it.each<[string, readonly string[], string]>([
    // The first release of a project.
    ['1.0.0', [], '1.0 1 latest'],
    ['0.1.0', [], '0.1 latest'],
    ['0.0.1', [], '0.0 latest'],
    ['1.0.0-rc.1', [], ''],
    ['0.0.0', [], '0.0 latest'],
    // The next patch, minor and major.
    ['1.0.1', ['1.0.0'], '1.0 1 latest'],
    ['1.1.0', ['1.0.0'], '1.1 1 latest'],
    ['2.0.0', ['1.0.0'], '2.0 2 latest'],
    ['1.2.3', ['1.2.2', '1.1.9', '1.0.0', '0.9.0'], '1.2 1 latest'],
    ['1.10.0', ['1.9.0', '1.2.0'], '1.10 1 latest'],
    ['1.2.10', ['1.2.9', '1.2.1'], '1.2 1 latest'],
    ['10.0.0', ['9.0.0', '2.0.0'], '10.0 10 latest'],
    ['1.0.0', ['0.9.0'], '1.0 1 latest'],
    ['0.2.0', ['0.1.0'], '0.2 latest'],
    ['0.1.1', ['0.1.0'], '0.1 latest'],
    // A backport to an older line.
    ['1.9.0', ['2.0.0', '1.8.0'], '1.9 1'],
    ['1.9.1', ['2.0.0', '1.9.0'], '1.9 1'],
    ['1.8.1', ['2.0.0', '1.9.0', '1.8.0'], '1.8'],
    ['1.8.1', ['1.9.0', '1.8.0'], '1.8'],
    ['0.9.1', ['1.0.0', '0.9.0'], '0.9'],
    ['0.8.1', ['0.9.0', '0.8.0'], '0.8'],
    ['2.0.1', ['3.0.0', '2.1.0', '2.0.0'], '2.0'],
    ['2.1.1', ['3.0.0', '2.1.0'], '2.1 2'],
    // Behind in its own line.
    ['1.2.3', ['1.2.4'], ''],
    ['1.2.3', ['1.2.4', '1.2.2'], ''],
    ['1.2.9', ['1.2.10'], ''],
    ['0.1.0', ['0.1.1'], ''],
    // The same version again.
    ['1.2.3', ['1.2.3'], '1.2 1 latest'],
    ['1.2.3', ['1.2.3', '1.2.4'], ''],
    // Prereleases move nothing and block nothing.
    ['2.1.0-rc.1', ['2.0.0'], ''],
    ['2.0.0-alpha', ['1.0.0'], ''],
    ['3.0.0-rc.1', [], ''],
    ['1.0.0-0', ['0.1.0'], ''],
    ['2.0.0', ['2.1.0-rc.1', '3.0.0-beta'], '2.0 2 latest'],
    ['1.0.0', ['1.0.0-rc.1', '1.0.0-rc.2'], '1.0 1 latest'],
    ['1.2.3', ['1.2.4-rc.1', '1.2.2'], '1.2 1 latest'],
    // Lines with gaps.
    ['1.5.0', ['1.0.0', '3.0.0'], '1.5 1'],
    ['3.0.0', ['1.0.0', '5.0.0'], '3.0 3'],
    ['5.0.0', ['1.0.0', '3.0.0'], '5.0 5 latest'],
    // Other versions' build metadata is ignored.
    ['1.2.3', ['1.2.3+build.9'], '1.2 1 latest'],
    ['1.2.3', ['1.2.4+build.1'], ''],
    // Tags that aren't versions are ignored.
    ['1.2.3', ['1.9', 'nightly', '2', '2.0.0.0', '02.0.0'], '1.2 1 latest'],
  ])('%s after %j: %s', (version, history, expected) => {
    expect(moved(version, history)).toBe(expected);
  });

  it('the moving tags of a version are blocked by versions that only the registry has', () => {
    expect(moved('1.9.0', [], ['2.0.0', 'latest', '2', '2.0'])).toBe('1.9 1');
    expect(moved('1.9.0', [], ['v1.9.1'])).toBe('');
    expect(moved('1.9.0', [], ['2.0.0-rc.1', '9', '9.9', 'latest'])).toBe('1.9 1 latest');
  });

  it('the moving tags of a version are listed with the reason for each', () => {
    expect(planTags(facts('1.9.0', ['2.0.0']), AUTO)).toEqual([
      { tag: '1.9.0', kind: 'exact', move: true, reason: 'the exact version' },
      { tag: 'v1.9.0', kind: 'exact', move: true, reason: 'the exact version' },
      { tag: '1.9', kind: 'moving', move: true, reason: '1.9.0 is the highest 1.9.x version' },
      { tag: '1', kind: 'moving', move: true, reason: '1.9.0 is the highest 1.x version' },
      { tag: 'latest', kind: 'moving', move: false, reason: '2.0.0 is a higher stable version' },
    ]);
    expect(planTags(facts('2.1.0-rc.1', []), AUTO).at(-1)).toEqual({
      tag: 'latest',
      kind: 'moving',
      move: false,
      reason: '2.1.0-rc.1 is a prerelease',
    });
  });
});

describe('planTags', () => {
  it.each([
    [['plain'], '1.2.3 1.2 1 latest'],
    [['v'], 'v1.2.3 v1.2 v1 latest'],
    [['plain', 'v'], '1.2.3 v1.2.3 1.2 1 latest'],
  ] as const)('the spellings %j give the tags %s', (spellings, expected) => {
    const tags = planTags(facts('1.2.3', []), { spellings, moving: 'auto' }).map(({ tag }) => tag);
    expect(tags.join(' ')).toBe(expected);
  });

  it('refuses build metadata, which no tag can contain', () => {
    expect(() => planTags(facts('1.2.3+sha.1', []), AUTO)).toThrow(
      expect.objectContaining({ code: 'BUILD_METADATA', message: expect.stringContaining('1.2.3+sha.1') }),
    );
  });

  it('refuses a tag too long for a registry', () => {
    const longest = `1.2.3-${'a'.repeat(122)}`;
    expect(planTags(facts(longest, []), { ...AUTO, spellings: ['plain'] })[0]?.tag).toBe(longest);
    expect(() => planTags(facts(longest, []), AUTO)).toThrow(
      expect.objectContaining({ code: 'INVALID_TAG', message: expect.stringContaining('found 129') }),
    );
  });

  it.each([
    ['a shallow clone', { shallow: true }, 'git fetch --unshallow --tags'],
    ["a clone without the version's own tag", { gitTags: ['v1.0.0'] }, 'git fetch --tags'],
    ['a clone without tags', { gitTags: [] }, 'git fetch --tags'],
  ])('refuses to guess the highest version with %s', (_, change, command) => {
    const incomplete = { ...facts('1.2.3', ['1.0.0']), ...change };
    expect(() => planTags(incomplete, AUTO)).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_HISTORY', hint: expect.stringContaining(command) }),
    );
    const plan = planTags(incomplete, { ...AUTO, moving: 'never' });
    expect(plan.filter(({ move }) => move).map(({ tag }) => tag)).toEqual(['1.2.3', 'v1.2.3']);
  });

  it('needs no history for a prerelease', () => {
    expect(
      planTags({ ...facts('1.2.3-rc.1', []), shallow: true }, AUTO).filter(({ move }) => move),
    ).toHaveLength(2);
  });
});

describe('any history, published in any order', () => {
  const version = fc
    .tuple(
      fc.nat({ max: 3 }),
      fc.nat({ max: 3 }),
      fc.nat({ max: 3 }),
      fc.option(fc.constantFrom('rc.1', 'alpha', '0')),
    )
    .map(([a, b, c, pre]) => parseReleaseVersion(pre === null ? `${a}.${b}.${c}` : `${a}.${b}.${c}-${pre}`));
  const history = fc.uniqueArray(version, { minLength: 1, maxLength: 12 });

  function publish(order: readonly string[], gitTagsOf: (published: readonly string[]) => readonly string[]) {
    const registry = new Map<string, string>();
    for (const [index, each] of order.entries()) {
      const known = gitTagsOf(order.slice(0, index + 1)).map((tag) => `v${tag}`);
      const plan = planTags(
        {
          version: parseReleaseVersion(each),
          gitTags: known,
          tagPattern: DEFAULT_TAG_PATTERN,
          shallow: false,
          registryTags: [...registry.keys()],
        },
        AUTO,
      );
      for (const { tag, move } of plan) if (move) registry.set(tag, each);
    }
    return registry;
  }

  it.each<[string, (order: readonly string[]) => (published: readonly string[]) => readonly string[]]>([
    ['tags are pushed one by one', () => (published) => published],
    ['all tags exist from the start', (order) => () => order],
    ['only the registry has all tags', () => (published) => published.slice(-1)],
  ])('every moving tag ends up on the highest stable version in its line if %s', (_, gitTags) => {
    fc.assert(
      fc.property(history, (order) => {
        const registry = publish(order, gitTags(order));
        const stable = order.filter((each) => !isPrerelease(each)).sort(compare);
        expect(registry.get('latest')).toBe(stable.at(-1));
        expect(registry.has('0')).toBe(false);
        for (const [tag, each] of registry) {
          if (/^\d+(\.\d+)?$/.test(tag)) {
            expect(each).toBe(stable.filter((other) => other.startsWith(`${tag}.`)).at(-1));
          }
        }
        for (const each of order) expect(registry.get(each)).toBe(each);
      }),
    );
  });

  it('plans only tags that a registry accepts, each once', () => {
    fc.assert(
      fc.property(history, fc.subarray(['plain', 'v'] as const, { minLength: 1 }), (order, spellings) => {
        for (const each of order) {
          const tags = planTags(facts(each, order), { spellings, moving: 'auto' }).map(({ tag }) => tag);
          expect(new Set(tags).size).toBe(tags.length);
          for (const tag of tags) expect(tag).toMatch(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/);
        }
      }),
    );
  });

  it('never puts a moving tag on a prerelease', () => {
    fc.assert(
      fc.property(history, (order) => {
        for (const [tag, each] of publish(order, (published) => published)) {
          if (tag !== each && tag !== `v${each}`) expect(isPrerelease(parseReleaseVersion(each))).toBe(false);
        }
      }),
    );
  });
});

describe('the possible tags of a version', () => {
  it.each(['1.2.3', '0.4.0', '2.0.0-rc.1'])(
    'the possible tags of a version are those in every plan for it, in order: %s',
    (version) => {
      for (const spellings of [['plain'], ['v'], ['plain', 'v']] as const) {
        const planned = planTags(facts(version, []), { spellings, moving: 'auto' }).map(({ tag }) => tag);
        expect(tagsOfVersion(parseReleaseVersion(version), spellings)).toEqual(planned);
      }
    },
  );
});
