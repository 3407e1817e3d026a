import { git } from '../process/git.ts';
import type { VersionFacts } from './build-version.ts';
import type { TagPattern } from './tag-pattern.ts';

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
