import { PrebuiltError } from '../../errors.ts';
import type { TagPattern } from '../../version/tag-pattern.ts';
import { type PlannedTag, planTags } from '../../version/tags.ts';
import { isPrerelease, parseReleaseVersion, type ReleaseVersion } from '../../version/version.ts';

/** What decides whether a release may begin. */
export interface ReleasePlanFacts {
  /** `RELEASE_VERSION`, as it was given. */
  readonly releaseVersion: string | undefined;
  readonly gitTags: readonly string[];
  readonly tagsAtHead: readonly string[];
  readonly tagPattern: TagPattern;
  readonly shallow: boolean;
}

/** A release that may begin. Which tags move is decided again at publishing, by then with the registry's tags. */
export interface ReleasePlan {
  readonly version: ReleaseVersion;
  readonly tag: string;
  readonly prerelease: boolean;
  readonly tags: readonly PlannedTag[];
}

/**
 * The release that RELEASE_VERSION asks for. Throws `VERSION` where it is not given or its tag is not at HEAD, and
 * what parsing the version and planning its tags throw.
 */
export function planRelease(facts: ReleasePlanFacts, moving: 'auto' | 'never'): ReleasePlan {
  if (facts.releaseVersion === undefined || facts.releaseVersion === '') {
    throw new PrebuiltError('VERSION', 'RELEASE_VERSION: expected the version to release, found none', {
      hint: 'For example: RELEASE_VERSION=1.2.3',
    });
  }
  const version = parseReleaseVersion(facts.releaseVersion);
  const tag = facts.tagPattern.format(version);
  if (!facts.tagsAtHead.includes(tag)) {
    throw new PrebuiltError(
      'VERSION',
      `HEAD: expected the tag ${tag}, found ${facts.tagsAtHead.join(', ') || 'no tag'}`,
      { hint: `A release is made from its tag: git checkout ${tag}` },
    );
  }
  const tags = planTags(
    {
      version,
      gitTags: facts.gitTags,
      tagPattern: facts.tagPattern,
      shallow: facts.shallow,
      registryTags: [],
    },
    { spellings: ['plain', 'v'], moving },
  );
  return { version, tag, prerelease: isPrerelease(version), tags };
}
