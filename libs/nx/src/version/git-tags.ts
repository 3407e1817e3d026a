import { linesOf, requireGit } from '../process/git.ts';

/** The tags in a clone. */
export interface GitTags {
  /** All tags, in any format. */
  readonly gitTags: readonly string[];
  /** Whether the clone is shallow, so that some tags may be missing. */
  readonly shallow: boolean;
}

/** Reads the tags of a git repository. Throws `VERSION` if git fails, for example outside a repository. */
export async function readGitTags(root: string, hint?: string): Promise<GitTags> {
  const [tags, shallow] = await Promise.all([
    requireGit(root, ['tag', '--list'], hint),
    requireGit(root, ['rev-parse', '--is-shallow-repository'], hint),
  ]);
  return { gitTags: linesOf(tags), shallow: shallow === 'true' };
}
