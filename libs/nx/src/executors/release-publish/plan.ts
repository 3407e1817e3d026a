import { PrebuiltError } from '../../errors.ts';
import { versionFromFacts } from '../../version/build-version.ts';
import { parseReleaseVersion, type ReleaseVersion } from '../../version/version.ts';
import type { ReleasePublishFacts } from './facts.ts';
import type { ReleasePublishOptions } from './options.ts';

/** What to do for one project. */
export type ReleasePublishPlan =
  | { readonly action: 'leave'; readonly project: string; readonly reason: string }
  | {
      readonly action: 'publish';
      readonly project: string;
      readonly version: ReleaseVersion;
      readonly dryRun: boolean;
      readonly tag: string;
      /** The targets to run before anything is uploaded. */
      readonly build: readonly string[];
      /** The remote to push the tag to next; undefined if the remote has it already or nothing needs it. */
      readonly pushTo: string | undefined;
      readonly steps: readonly ReleaseStep[];
      /** The last target of a real run, which can't be tried in a dry run. */
      readonly leftOut: string | undefined;
    };

/** One of the project's targets to run. */
export interface ReleaseStep {
  readonly target: string;
  readonly dryRun: boolean;
  readonly reason: string;
}

/**
 * Plans what `nx release` publishes once everything is built: the draft of the release page, the image, the page. The
 * version is the one that `nx release` decided, else RELEASE_VERSION, else the project's tag at HEAD. Throws
 * `INVALID_VERSION`, `SEVERAL_VERSION_TAGS`, any problem with the GitHub settings, and `VERSION` if the tag is not on
 * the remote and may not be pushed.
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
    dryRun,
    tag,
    build: targets.built,
    pushTo: missing ? remote : undefined,
    steps: [
      ...step(targets.draft, 'the draft of the release page, with its files'),
      ...step(targets.image, 'the image'),
      // Only an existing draft can be checked for publishing.
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
