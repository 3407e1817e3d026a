import compare from 'semver/functions/compare.js';
import { PrebuiltError } from '../errors.ts';
import type { TagPattern } from './tag-pattern.ts';
import { parseReleaseVersion, type ReleaseVersion } from './version.ts';

/** The facts that determine a build's version. */
export interface VersionFacts {
  /** The `RELEASE_VERSION` environment variable; an empty value counts as none. */
  readonly releaseVersion: string | undefined;
  /** All tags at HEAD, in any format. */
  readonly tagsAtHead: readonly string[];
  /** The pattern of the project's tags. Other tags at HEAD aren't the project's. */
  readonly tagPattern: TagPattern;
  /** HEAD's commit hash and its date in seconds since 1970; undefined outside a repository. */
  readonly head: { readonly revision: string; readonly date: number } | undefined;
}

/** A build's version and the facts embedded along with it. */
export interface BuildVersion {
  readonly version: ReleaseVersion;
  /** Whether no version was requested. If so, the build includes neither a commit nor a date. */
  readonly development: boolean;
  readonly revision: string | null;
  /** SOURCE_DATE_EPOCH, in seconds since 1970. */
  readonly sourceDateEpoch: number;
}

/** The version of a build without a requested version. */
export const DEVELOPMENT_VERSION = parseReleaseVersion('0.0.0-dev');

/**
 * A build's version: `RELEASE_VERSION`, or else the project's version tag at HEAD, or else `0.0.0-dev`. Throws
 * `INVALID_VERSION`, and `SEVERAL_VERSION_TAGS` if the project has tags for several versions at HEAD.
 */
export function versionFromFacts(facts: VersionFacts): BuildVersion {
  const wanted =
    facts.releaseVersion === undefined || facts.releaseVersion === '' ? tagged(facts) : facts.releaseVersion;
  if (wanted === undefined) {
    return { version: DEVELOPMENT_VERSION, development: true, revision: null, sourceDateEpoch: 0 };
  }
  return {
    version: parseReleaseVersion(wanted),
    development: false,
    revision: facts.head?.revision ?? null,
    sourceDateEpoch: facts.head?.date ?? 0,
  };
}

function tagged(facts: VersionFacts): string | undefined {
  const versions = [...new Set(facts.tagsAtHead.flatMap((tag) => facts.tagPattern.parse(tag) ?? []))];
  if (versions.length <= 1) return versions[0];
  throw new PrebuiltError(
    'SEVERAL_VERSION_TAGS',
    `version: expected one tag ${facts.tagPattern.text} at HEAD, found ${versions.toSorted(compare).map(facts.tagPattern.format).join(', ')}`,
    { hint: `Choose one: RELEASE_VERSION=${versions.toSorted(compare).at(-1)}` },
  );
}
