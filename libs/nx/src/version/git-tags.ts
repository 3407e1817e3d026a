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
  // One start of git, which takes longer than its answer.
  const answer = await requireGit(
    root,
    ['rev-parse', '--is-shallow-repository', '--symbolic', '--tags'],
    hint,
  );
  const [shallow, ...gitTags] = linesOf(answer);
  return { gitTags, shallow: shallow === 'true' };
}
