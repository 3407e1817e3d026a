import { PrebuiltError } from '../errors.ts';
import { isReleaseVersion, parseReleaseVersion, type ReleaseVersion } from './version.ts';

/** How a project's releases are named in git: `v{version}`, `server@{version}`. */
export interface TagPattern {
  /** The pattern with the project's and the group's name filled in, and `{version}` left. */
  readonly text: string;
  /** The tag of a version. */
  format(version: ReleaseVersion): string;
  /** The version that a tag names; undefined for a tag of another form, such as another project's. */
  parse(tag: string): ReleaseVersion | undefined;
}

/** The names that a pattern may contain. */
export interface TagPatternNames {
  readonly projectName: string;
  readonly releaseGroupName?: string | undefined;
}

const VERSION = '{version}';

/**
 * Parses a pattern as `nx release` reads it: `{projectName}` and `{releaseGroupName}` are filled in, `{version}` has to
 * be there once. Throws `INVALID_OPTIONS`. https://nx.dev/docs/guides/nx-release/configure-version-prefix
 */
export function parseTagPattern(pattern: string, names: TagPatternNames): TagPattern {
  const text = pattern
    .replaceAll('{projectName}', names.projectName)
    .replaceAll('{releaseGroupName}', names.releaseGroupName ?? '');
  const [prefix = '', suffix, ...more] = text.split(VERSION);
  if (suffix === undefined || more.length > 0) {
    throw new PrebuiltError(
      'INVALID_OPTIONS',
      `release tag pattern: expected ${VERSION} once, found ${JSON.stringify(pattern)}`,
      { hint: 'Change release.releaseTag.pattern in nx.json, for example to "{projectName}@{version}".' },
    );
  }
  return {
    text,
    format: (version) => `${prefix}${version}${suffix}`,
    parse(tag) {
      if (tag.length < prefix.length + suffix.length) return undefined;
      if (!tag.startsWith(prefix) || !tag.endsWith(suffix)) return undefined;
      const version = tag.slice(prefix.length, tag.length - suffix.length);
      // The pattern decides where a "v" belongs: with `v{version}`, `vv1.2.3` is not a version.
      return version.startsWith('v') || !isReleaseVersion(version) ? undefined : parseReleaseVersion(version);
    },
  };
}

/** The pattern of a workspace that does not configure `nx release`: `v{version}`. */
export const DEFAULT_TAG_PATTERN: TagPattern = parseTagPattern(`v${VERSION}`, { projectName: '' });
