import { PrebuiltError } from '../errors.ts';
import { isReleaseVersion, parseReleaseVersion, type ReleaseVersion } from './version.ts';

/** The pattern of a project's release tags: `v{version}`, `server@{version}`. */
export interface TagPattern {
  /** The pattern with the names of the project and the group filled in, but not `{version}`. */
  readonly text: string;
  /** The tag for a version. */
  format(version: ReleaseVersion): string;
  /** The version in a tag; undefined for a tag in another format, such as another project's. */
  parse(tag: string): ReleaseVersion | undefined;
}

/** The names that a pattern may contain. */
export interface TagPatternNames {
  readonly projectName: string;
  readonly releaseGroupName?: string | undefined;
}

const VERSION = '{version}';

/**
 * Parses a pattern by the rules of `nx release`: fills in `{projectName}` and `{releaseGroupName}`; `{version}` must
 * occur exactly once. Throws `INVALID_OPTIONS`. https://nx.dev/docs/guides/nx-release/configure-version-prefix
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
      // The pattern determines where a "v" belongs: with `v{version}`, `vv1.2.3` isn't a version.
      return version.startsWith('v') || !isReleaseVersion(version) ? undefined : parseReleaseVersion(version);
    },
  };
}

/** The pattern in a workspace that doesn't configure `nx release`: `v{version}`. */
export const DEFAULT_TAG_PATTERN: TagPattern = parseTagPattern(`v${VERSION}`, { projectName: '' });
