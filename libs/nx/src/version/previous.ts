import compare from 'semver/functions/compare.js';
import type { TagPattern } from './tag-pattern.ts';
import { isPrerelease, type ReleaseVersion } from './version.ts';

/**
 * The project's tag of the version that came before, the highest one below: among all tags for a prerelease, among the stable
 * ones for a stable version; undefined where there is none. Tags of any other form are passed over.
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

/** The project's tag of its highest version, prereleases included; undefined where there is none. */
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
