import compare from 'semver/functions/compare.js';
import parse from 'semver/functions/parse.js';
import prerelease from 'semver/functions/prerelease.js';
import { PrebuiltError } from '../errors.ts';

/**
 * A version of SemVer 2.0.0 without a leading `v`, with its build metadata where it has some.
 * https://semver.org/spec/v2.0.0.html
 */
export type ReleaseVersion = string & { readonly __brand: 'ReleaseVersion' };

/** What decides the version of a build. */
export interface VersionFacts {
  /** `RELEASE_VERSION` of the environment; an empty one counts as none. */
  readonly releaseVersion: string | undefined;
  /** The tags at HEAD, of any form. */
  readonly tagsAtHead: readonly string[];
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

const LONGEST = 128;

// The grammar of https://semver.org/spec/v2.0.0.html#backusnaur-form-grammar-for-valid-semver-versions
const NUMBER = '(?:0|[1-9]\\d*)';
const PRERELEASE = `(?:${NUMBER}|\\d*[A-Za-z-][0-9A-Za-z-]*)`;
const SEMVER = new RegExp(
  `^v?(${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-${PRERELEASE}(?:\\.${PRERELEASE})*)?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?)$`,
);

/** The version of a build that nobody gave one. */
export const DEVELOPMENT_VERSION = parseReleaseVersion('0.0.0-dev');

/**
 * Parses `1.2.3` or `v1.2.3`, with prerelease and build metadata. Throws `INVALID_VERSION` for anything else,
 * and for more than 128 characters or a number that is not exact in a double.
 */
export function parseReleaseVersion(text: string): ReleaseVersion {
  const version = text.length > LONGEST ? undefined : SEMVER.exec(text)?.[1];
  if (version !== undefined && parse(version) !== null) return version as ReleaseVersion;
  throw new PrebuiltError(
    'INVALID_VERSION',
    `version: expected SemVer such as 1.2.3, v1.2.3 or 1.2.3-rc.1 of at most ${LONGEST} characters, found ${quote(text)}`,
    { hint: 'Give one with RELEASE_VERSION=1.2.3, or tag the commit v1.2.3.' },
  );
}

/** Whether the text is a version that `parseReleaseVersion` accepts. */
export function isReleaseVersion(text: string): boolean {
  return text.length <= LONGEST && SEMVER.test(text) && parse(text) !== null;
}

/** Whether the version is a prerelease (`1.2.3-rc.1`). https://semver.org/spec/v2.0.0.html#spec-item-9 */
export function isPrerelease(version: ReleaseVersion): boolean {
  return prerelease(version) !== null;
}

/**
 * The version of a build: `RELEASE_VERSION`, else the one version tag at HEAD, else `0.0.0-dev`. Throws
 * `INVALID_VERSION`, and `SEVERAL_VERSION_TAGS` where the tags at HEAD name more than one version.
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
  const versions = [...new Set(facts.tagsAtHead.filter(isReleaseVersion).map(parseReleaseVersion))];
  if (versions.length <= 1) return versions[0];
  throw new PrebuiltError(
    'SEVERAL_VERSION_TAGS',
    `version: expected one version tag at HEAD, found ${versions.toSorted(compare).join(', ')}`,
    { hint: `Say which one is meant: RELEASE_VERSION=${versions.toSorted(compare).at(-1)}` },
  );
}

function quote(text: string): string {
  return text.length > 80
    ? `${JSON.stringify(text.slice(0, 80))}… (${text.length} characters)`
    : JSON.stringify(text);
}
