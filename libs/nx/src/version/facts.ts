import { git, linesOf } from '../process/git.ts';
import type { VersionFacts } from './build-version.ts';
import type { GitTags } from './git-tags.ts';
import type { TagPattern } from './tag-pattern.ts';
import type { ReleaseVersion } from './version.ts';

/**
 * Reads the facts that determine a build's version: `RELEASE_VERSION`, the tags at HEAD, and HEAD's commit. A folder
 * that isn't a git repository has neither tags nor a commit.
 */
export async function readVersionFacts(
  workspaceRoot: string,
  environment: Readonly<Record<string, string | undefined>>,
  tagPattern: TagPattern,
): Promise<VersionFacts> {
  const { tagsAtHead, head } = await readHead(workspaceRoot);
  return { releaseVersion: environment.RELEASE_VERSION, tagsAtHead, tagPattern, head };
}

// For an annotated tag, fields with an asterisk refer to its commit.
const COMMIT =
  '%(if)%(*objectname)%(then)%(*objectname) %(*committerdate:unix)%(else)%(objectname) %(committerdate:unix)%(end)';

/*
 * Every Nx run waits for this, mostly for git to start. So this also lists the branches: the checked-out one gives
 * HEAD's commit. Only if there is neither a branch nor a tag is git run once more.
 */
async function readHead(folder: string): Promise<Pick<VersionFacts, 'tagsAtHead' | 'head'>> {
  const format = `--format=%(refname) ${COMMIT}`;
  const refs = await git(folder, 'for-each-ref', '--points-at=HEAD', format, 'refs/tags', 'refs/heads');
  if (refs === undefined) return { tagsAtHead: [], head: undefined };
  const found = linesOf(refs).map((line) => line.split(' '));
  const tagsAtHead = found.flatMap(([name = '']) => (name.startsWith(TAGS) ? [name.slice(TAGS.length)] : []));
  // Git reports no date for a tag of a tag.
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
 * Whether this is part of `nx release … --dry-run`. If so, nothing may be sent, whatever the target's own options.
 * https://nx.dev/docs/reference/environment-variables
 */
export function isReleaseDryRun(environment: Readonly<Record<string, string | undefined>>): boolean {
  return environment.NX_DRY_RUN === 'true';
}

/** The tags including the release's own tag, which a dry run of `nx release`, unlike a real one, hasn't created. */
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
