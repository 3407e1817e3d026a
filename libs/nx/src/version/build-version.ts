import compare from 'semver/functions/compare.js';
import { PrebuiltError } from '../errors.ts';
import type { TagPattern } from './tag-pattern.ts';
import { parseReleaseVersion, type ReleaseVersion } from './version.ts';

/** What decides the version of a build. */
export interface VersionFacts {
  /** `RELEASE_VERSION` of the environment; an empty one counts as none. */
  readonly releaseVersion: string | undefined;
  /** The tags at HEAD, of any form. */
  readonly tagsAtHead: readonly string[];
  /** What the project's tags look like; the others at HEAD belong to somebody else. */
  readonly tagPattern: TagPattern;
  /** HEAD's commit: its hash and its date in seconds since 1970; undefined outside a repository. */
  readonly head: { readonly revision: string; readonly date: number } | undefined;
}

/** The version of a build and what is embedded beside it. */
export interface BuildVersion {
  readonly version: ReleaseVersion;
  /** Whether nobody asked for a version: then neither a commit nor a date goes into the build. */
  readonly development: boolean;
  readonly revision: string | null;
  /** SOURCE_DATE_EPOCH, in seconds since 1970. */
  readonly sourceDateEpoch: number;
}

/** The version of a build that nobody gave one. */
export const DEVELOPMENT_VERSION = parseReleaseVersion('0.0.0-dev');

/**
 * The version of a build: `RELEASE_VERSION`, else the project's one version tag at HEAD, else `0.0.0-dev`. Throws
 * `INVALID_VERSION`, and `SEVERAL_VERSION_TAGS` where the tags at HEAD name more than one version of the project.
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
    { hint: `Say which one is meant: RELEASE_VERSION=${versions.toSorted(compare).at(-1)}` },
  );
}
