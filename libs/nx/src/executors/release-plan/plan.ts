import { PrebuiltError } from '../../errors.ts';
import { type VersionFacts, versionFromFacts } from '../../version/build-version.ts';
import { type PlannedTag, planTags } from '../../version/tags.ts';
import { isPrerelease, type ReleaseVersion } from '../../version/version.ts';

/** What decides whether a release may start. */
export interface ReleasePlanFacts extends VersionFacts {
  readonly gitTags: readonly string[];
  readonly shallow: boolean;
}

/** A release that may start. The tags to move are decided again when publishing, then with the registry's tags. */
export interface ReleasePlan {
  readonly version: ReleaseVersion;
  readonly tag: string;
  readonly prerelease: boolean;
  readonly tags: readonly PlannedTag[];
}

/**
 * Plans the release of the version that a build here has: `RELEASE_VERSION`, or the project's only tag at HEAD. Throws
 * `VERSION` if there is neither or if the version's tag is not at HEAD, and whatever finding the version and planning
 * its tags throw.
 */
export function planRelease(facts: ReleasePlanFacts, moving: 'auto' | 'never'): ReleasePlan {
  const { version, development } = versionFromFacts(facts);
  if (development) {
    throw new PrebuiltError(
      'VERSION',
      `version: expected RELEASE_VERSION, or a tag ${facts.tagPattern.text} at HEAD, found ${facts.tagsAtHead.join(', ') || 'neither'}`,
      { hint: `Tag the commit: git tag ${facts.tagPattern.text.replace('{version}', '1.2.3')}` },
    );
  }
  const tag = facts.tagPattern.format(version);
  if (!facts.tagsAtHead.includes(tag)) {
    throw new PrebuiltError(
      'VERSION',
      `HEAD: expected the tag ${tag}, found ${facts.tagsAtHead.join(', ') || 'no tag'}`,
      { hint: `Release from the tag itself: git checkout ${tag}` },
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
