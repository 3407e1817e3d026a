import compare from 'semver/functions/compare.js';
import type { TagPattern } from './tag-pattern.ts';
import { isPrerelease, type ReleaseVersion } from './version.ts';

/**
 * The project's tag for the previous version, which is the highest lower one: among all versions for a prerelease,
 * among stable ones for a stable version. Undefined if there is none. Ignores tags in other formats.
 */
export function previousTag(
  version: ReleaseVersion,
  tags: readonly string[],
  pattern: TagPattern,
): string | undefined {
  return tagsInOrder(tags, pattern)
    .filter((other) => isPrerelease(version) || !isPrerelease(other.version))
    .filter((other) => compare(other.version, version) < 0)
    .at(-1)?.tag;
}

/** The project's tag for its highest version, including prereleases; undefined if there is none. */
export function highestTag(tags: readonly string[], pattern: TagPattern): string | undefined {
  return tagsInOrder(tags, pattern).at(-1)?.tag;
}

function tagsInOrder(
  tags: readonly string[],
  pattern: TagPattern,
): readonly { readonly tag: string; readonly version: ReleaseVersion }[] {
  return tags
    .flatMap((tag) => {
      const version = pattern.parse(tag);
      return version === undefined ? [] : [{ tag, version }];
    })
    .toSorted((a, b) => compare(a.version, b.version));
}
