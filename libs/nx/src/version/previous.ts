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
  return tags
    .flatMap((tag) => {
      const parsed = pattern.parse(tag);
      return parsed === undefined ? [] : [{ tag, version: parsed }];
    })
    .filter((other) => isPrerelease(version) || !isPrerelease(other.version))
    .filter((other) => compare(other.version, version) < 0)
    .toSorted((a, b) => compare(a.version, b.version))
    .at(-1)?.tag;
}
