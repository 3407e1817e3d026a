import compare from 'semver/functions/compare.js';
import { isPrerelease, isReleaseVersion, parseReleaseVersion, type ReleaseVersion } from './version.ts';

/**
 * The tag of the version that came before, the highest one below: among all tags for a prerelease, among the stable
 * ones for a stable version; undefined where there is none. Tags of any other form are passed over.
 */
export function previousTag(version: ReleaseVersion, tags: readonly string[]): string | undefined {
  return tags
    .filter(isReleaseVersion)
    .map((tag) => ({ tag, version: parseReleaseVersion(tag) }))
    .filter((other) => isPrerelease(version) || !isPrerelease(other.version))
    .filter((other) => compare(other.version, version) < 0)
    .toSorted((a, b) => compare(a.version, b.version))
    .at(-1)?.tag;
}
