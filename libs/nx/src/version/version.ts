import parse from 'semver/functions/parse.js';
import prerelease from 'semver/functions/prerelease.js';
import { PrebuiltError } from '../errors.ts';

/**
 * A SemVer 2.0.0 version without a leading `v`, including any build metadata.
 * https://semver.org/spec/v2.0.0.html
 */
export type ReleaseVersion = string & { readonly __brand: 'ReleaseVersion' };

const LONGEST = 128;

// The grammar of https://semver.org/spec/v2.0.0.html#backusnaur-form-grammar-for-valid-semver-versions
const NUMBER = '(?:0|[1-9]\\d*)';
const PRERELEASE = `(?:${NUMBER}|\\d*[A-Za-z-][0-9A-Za-z-]*)`;
const SEMVER = new RegExp(
  `^v?(${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-${PRERELEASE}(?:\\.${PRERELEASE})*)?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?)$`,
);

/**
 * Parses `1.2.3` or `v1.2.3`, with an optional prerelease and build metadata. Throws `INVALID_VERSION` for anything
 * else, including more than 128 characters or a number that a double can't represent exactly.
 */
export function parseReleaseVersion(text: string): ReleaseVersion {
  const version = text.length > LONGEST ? undefined : SEMVER.exec(text)?.[1];
  if (version !== undefined && parse(version) !== null) return version as ReleaseVersion;
  throw new PrebuiltError(
    'INVALID_VERSION',
    `version: expected SemVer such as 1.2.3, v1.2.3 or 1.2.3-rc.1 of at most ${LONGEST} characters, found ${quote(text)}`,
    { hint: 'Set RELEASE_VERSION=1.2.3, or tag the commit v1.2.3.' },
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

function quote(text: string): string {
  return text.length > 80
    ? `${JSON.stringify(text.slice(0, 80))}… (${text.length} characters)`
    : JSON.stringify(text);
}
