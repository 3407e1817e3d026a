import { git } from '../process/git.ts';
import type { VersionFacts } from './build-version.ts';
import type { GitTags } from './git-tags.ts';
import type { TagPattern } from './tag-pattern.ts';
import type { ReleaseVersion } from './version.ts';

/**
 * What decides the version of a build: `RELEASE_VERSION`, the tags at HEAD, and HEAD's commit. A folder that is
 * no git repository has neither tags nor a commit.
 */
export async function readVersionFacts(
  workspaceRoot: string,
  environment: Readonly<Record<string, string | undefined>>,
  tagPattern: TagPattern,
): Promise<VersionFacts> {
  const [tags, commit] = await Promise.all([
    git(workspaceRoot, 'tag', '--points-at', 'HEAD'),
    git(workspaceRoot, 'log', '-1', '--format=%H %ct'),
  ]);
  const [revision, seconds] = commit?.split(' ') ?? [];
  return {
    releaseVersion: environment.RELEASE_VERSION,
    tagsAtHead: tags?.split('\n').filter((tag) => tag !== '') ?? [],
    tagPattern,
    head: revision === undefined || seconds === undefined ? undefined : { revision, date: Number(seconds) },
  };
}

/**
 * Whether this is part of a `nx release … --dry-run`: then nothing may be sent, whatever a target itself was told.
 * https://nx.dev/docs/reference/environment-variables
 */
export function isReleaseDryRun(environment: Readonly<Record<string, string | undefined>>): boolean {
  return environment.NX_DRY_RUN === 'true';
}

/** The tags as they are when the release has begun: a dry run of `nx release` makes no tag, and a real one made it. */
export function withTagOf(
  tags: GitTags,
  version: ReleaseVersion,
  tagPattern: TagPattern,
  environment: Readonly<Record<string, string | undefined>>,
): GitTags {
  const tag = tagPattern.format(version);
  if (!isReleaseDryRun(environment) || tags.gitTags.includes(tag)) return tags;
  return { ...tags, gitTags: [...tags.gitTags, tag] };
}
