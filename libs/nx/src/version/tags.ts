import compare from 'semver/functions/compare.js';
import major from 'semver/functions/major.js';
import minor from 'semver/functions/minor.js';
import { PrebuiltError } from '../errors.ts';
import type { TagPattern } from './tag-pattern.ts';
import { isPrerelease, isReleaseVersion, parseReleaseVersion, type ReleaseVersion } from './version.ts';

/** How to spell the tag for an exact version: `1.2.3` or `v1.2.3`. */
export type TagSpelling = 'plain' | 'v';

/** The facts that determine an image's tags. */
export interface TagFacts {
  readonly version: ReleaseVersion;
  /** All tags in the git repository, in any format. */
  readonly gitTags: readonly string[];
  /** The pattern of the project's tags. */
  readonly tagPattern: TagPattern;
  /** Whether the clone is shallow, so that `gitTags` may be incomplete. */
  readonly shallow: boolean;
  /** All tags of the image in the registry, in any format. */
  readonly registryTags: readonly string[];
}

/** The maintainer's choices. */
export interface TagOptions {
  /** One or more spellings for the exact version. */
  readonly spellings: readonly TagSpelling[];
  /** `auto` moves `latest`, `X` and `X.Y` if the version is the highest in its line; `never` moves none. */
  readonly moving: 'auto' | 'never';
}

/** A tag, whether it will point to the image, and why. */
export interface PlannedTag {
  readonly tag: string;
  /** An exact version's tag never moves again; a moving tag follows the highest version in its line. */
  readonly kind: 'exact' | 'moving';
  readonly move: boolean;
  readonly reason: string;
}

// The grammar of https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
const MAX_TAG_LENGTH = 128;
const TAG = new RegExp(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,${MAX_TAG_LENGTH - 1}}$`);

interface Line {
  readonly tag: string;
  readonly name: string;
  readonly holds: (version: ReleaseVersion) => boolean;
}

/**
 * A version's tags, exact ones first and `latest` last. A moving tag moves only for a stable version that is the
 * highest in its line among the stable versions in git tags and the registry; a prerelease moves none, and there is no
 * bare `0`. Throws `BUILD_METADATA`, since tags can't contain it, `INVALID_TAG` for a tag too long for a registry, and
 * `UNKNOWN_HISTORY` if the highest version can't be determined.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
 */
export function planTags(facts: TagFacts, options: TagOptions): readonly PlannedTag[] {
  const { version } = facts;
  if (version.includes('+')) {
    throw new PrebuiltError(
      'BUILD_METADATA',
      `version: expected a version without build metadata, found ${version}: a tag can't contain "+"`,
      { hint: `Publish it as ${version.slice(0, version.indexOf('+'))}, or as a prerelease.` },
    );
  }
  const exact = [...new Set(options.spellings)].map((spelling): PlannedTag => {
    const tag = exactTag(version, spelling);
    if (!TAG.test(tag)) {
      throw new PrebuiltError(
        'INVALID_TAG',
        `tags: expected at most ${MAX_TAG_LENGTH} characters, found ${tag.length}: ${tag}`,
        { hint: 'Use a shorter prerelease, or a tag without "v".' },
      );
    }
    return { tag, kind: 'exact', move: true, reason: 'the exact version' };
  });
  return [...exact, ...planMoving(facts, options)];
}

/** Every tag that a version might get, exact ones first and `latest` last, whether or not it moves. */
export function tagsOfVersion(version: ReleaseVersion, spellings: readonly TagSpelling[]): readonly string[] {
  const exact = [...new Set(spellings)].map((spelling) => exactTag(version, spelling));
  return [...exact, ...linesOf(version, spellings).map(({ tag }) => tag)];
}

function exactTag(version: ReleaseVersion, spelling: TagSpelling): string {
  return spelling === 'v' ? `v${version}` : version;
}

function planMoving(facts: TagFacts, options: TagOptions): readonly PlannedTag[] {
  const { version } = facts;
  const lines = linesOf(version, options.spellings);
  const stay = (reason: string): readonly PlannedTag[] =>
    lines.map(({ tag }) => ({ tag, kind: 'moving', move: false, reason }));
  if (isPrerelease(version)) return stay(`${version} is a prerelease`);
  if (options.moving === 'never') return stay('moving tags are turned off');
  requireHistory(facts);
  const stable = [
    ...facts.gitTags.flatMap((tag) => facts.tagPattern.parse(tag) ?? []),
    ...facts.registryTags.filter(isReleaseVersion).map(parseReleaseVersion),
  ].filter((other) => !isPrerelease(other));
  return lines.map(({ tag, name, holds }) => {
    const highest = stable
      .filter(holds)
      .reduce((most, other) => (compare(other, most) > 0 ? other : most), version);
    const move = compare(highest, version) === 0;
    const reason = move ? `${version} is the highest ${name}` : `${highest} is a higher ${name}`;
    return { tag, kind: 'moving', move, reason };
  });
}

function linesOf(version: ReleaseVersion, spellings: readonly TagSpelling[]): readonly Line[] {
  const prefix = spellings.includes('plain') ? '' : 'v';
  const [first, second] = [major(version), minor(version)];
  const lines: Line[] = [
    {
      tag: `${prefix}${first}.${second}`,
      name: `${first}.${second}.x version`,
      holds: (other) => major(other) === first && minor(other) === second,
    },
  ];
  if (first > 0) {
    lines.push({
      tag: `${prefix}${first}`,
      name: `${first}.x version`,
      holds: (other) => major(other) === first,
    });
  }
  lines.push({ tag: 'latest', name: 'stable version', holds: () => true });
  return lines;
}

function requireHistory(facts: TagFacts): void {
  const { version } = facts;
  const tag = facts.tagPattern.format(version);
  const problem = facts.shallow
    ? 'this clone is shallow'
    : facts.gitTags.includes(tag)
      ? undefined
      : `this clone has no tag ${tag}`;
  if (problem === undefined) return;
  const way = facts.shallow
    ? 'Fetch the tags with git fetch --unshallow --tags'
    : `Tag the commit with git tag ${tag}, or fetch the tag with git fetch --tags`;
  throw new PrebuiltError(
    'UNKNOWN_HISTORY',
    `tags: can't determine whether ${version} is the highest version: ${problem}`,
    { hint: `${way}, or publish only the version's own tag with --tag-latest=never.` },
  );
}
