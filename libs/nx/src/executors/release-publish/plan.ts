import { PrebuiltError } from '../../errors.ts';
import { versionFromFacts } from '../../version/build-version.ts';
import { parseReleaseVersion, type ReleaseVersion } from '../../version/version.ts';
import type { ReleasePublishFacts } from './facts.ts';
import type { ReleasePublishOptions } from './options.ts';

/** What happens to one project. */
export type ReleasePublishPlan =
  | { readonly action: 'leave'; readonly project: string; readonly reason: string }
  | {
      readonly action: 'publish';
      readonly project: string;
      readonly version: ReleaseVersion;
      readonly tag: string;
      /** The targets that are run before anything is sent. */
      readonly build: readonly string[];
      /** The remote that the tag is pushed to then; undefined where it has it, or nothing needs it. */
      readonly pushTo: string | undefined;
      readonly steps: readonly ReleaseStep[];
      /** What comes last in a real run and can't be tried in a dry one. */
      readonly leftOut: string | undefined;
    };

/** A target of the project that is run. */
export interface ReleaseStep {
  readonly target: string;
  readonly dryRun: boolean;
  readonly reason: string;
}

/**
 * Plans what `nx release` publishes: once all is built, the draft of the page, the image, the page. The version is the one that
 * `nx release` decided; without it RELEASE_VERSION, or the project's tag at HEAD. Throws `INVALID_VERSION`,
 * `SEVERAL_VERSION_TAGS`, what is wrong with the settings for GitHub, and `VERSION` where the tag is not on the remote and
 * may not be pushed.
 */
export function planReleasePublish(
  facts: ReleasePublishFacts,
  { dryRun, pushTag, remote }: Pick<ReleasePublishOptions, 'dryRun' | 'pushTag' | 'remote'>,
): ReleasePublishPlan {
  const { project, targets } = facts;
  const leave = (reason: string): ReleasePublishPlan => ({ action: 'leave', project, reason });
  const version = decidedVersion(facts);
  if (version === undefined) {
    return leave(
      facts.decided === undefined
        ? `HEAD has no tag ${facts.tagPattern.text}${howToFinish(facts)}`
        : '`nx release` gave it no new version',
    );
  }
  if (facts.pageProblem !== undefined) throw facts.pageProblem;
  const tag = facts.tagPattern.format(version);
  const missing = facts.remoteTags !== undefined && !facts.remoteTags.includes(tag);
  if (missing && !pushTag) {
    throw new PrebuiltError('VERSION', `${remote}: expected the tag ${tag}, found no such tag`, {
      hint: `Push it: git push ${remote} ${tag}`,
    });
  }
  const step = (target: string | undefined, reason: string): readonly ReleaseStep[] =>
    target === undefined ? [] : [{ target, dryRun, reason }];
  return {
    action: 'publish',
    project,
    version,
    tag,
    build: targets.built,
    pushTo: missing ? remote : undefined,
    steps: [
      ...step(targets.draft, 'the draft of the release page, with its files'),
      ...step(targets.image, 'the image'),
      // Whether a draft may be published is known once there is one.
      ...(dryRun ? [] : step(targets.page, 'the release page')),
    ],
    leftOut: dryRun ? targets.page : undefined,
  };
}

function howToFinish({ highestTag }: ReleasePublishFacts): string {
  return highestTag === undefined ? '' : `; to finish ${highestTag}: git checkout ${highestTag}`;
}

function decidedVersion(facts: ReleasePublishFacts): ReleaseVersion | undefined {
  const { project, decided, releaseVersion, tagsAtHead, tagPattern } = facts;
  if (decided !== undefined) {
    const version = decided[project]?.newVersion ?? undefined;
    return version === undefined ? undefined : parseReleaseVersion(version);
  }
  const built = versionFromFacts({ releaseVersion, tagsAtHead, tagPattern, head: undefined });
  return built.development ? undefined : built.version;
}
