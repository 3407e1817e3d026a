import { git, linesOf } from '../process/git.ts';
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
  const { tagsAtHead, head } = await readHead(workspaceRoot);
  return { releaseVersion: environment.RELEASE_VERSION, tagsAtHead, tagPattern, head };
}

// A tag with a message names the commit behind it, whose fields have an asterisk.
const COMMIT =
  '%(if)%(*objectname)%(then)%(*objectname) %(*committerdate:unix)%(else)%(objectname) %(committerdate:unix)%(end)';

/*
 * Every run of Nx waits for this, and most of the wait is for git to start. So the branches are listed beside the tags:
 * the one that is checked out names HEAD's commit. Without one, and without a tag, git is asked once more.
 */
async function readHead(folder: string): Promise<Pick<VersionFacts, 'tagsAtHead' | 'head'>> {
  const format = `--format=%(refname) ${COMMIT}`;
  const refs = await git(folder, 'for-each-ref', '--points-at=HEAD', format, 'refs/tags', 'refs/heads');
  if (refs === undefined) return { tagsAtHead: [], head: undefined };
  const found = linesOf(refs).map((line) => line.split(' '));
  const tagsAtHead = found.flatMap(([name = '']) => (name.startsWith(TAGS) ? [name.slice(TAGS.length)] : []));
  // Git knows no date for a tag of a tag.
  const dated = found.find(([, , date]) => date);
  const [revision, seconds] =
    dated?.slice(1) ??
    (await git(folder, 'log', '-1', '--no-show-signature', '--format=%H %ct'))?.split(' ') ??
    [];
  const known = revision !== undefined && seconds !== undefined;
  return { tagsAtHead, head: known ? { revision, date: Number(seconds) } : undefined };
}

const TAGS = 'refs/tags/';

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
