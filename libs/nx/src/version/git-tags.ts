import { linesOf, requireGit } from '../process/git.ts';

/** The tags of a clone. */
export interface GitTags {
  /** All of them, of any form. */
  readonly gitTags: readonly string[];
  /** Whether the clone is shallow, so that some may be missing. */
  readonly shallow: boolean;
}

/** Reads the tags of a git repository. Throws `VERSION` where git fails, as outside a repository. */
export async function readGitTags(root: string, hint?: string): Promise<GitTags> {
  const [tags, shallow] = await Promise.all([
    requireGit(root, ['tag', '--list'], hint),
    requireGit(root, ['rev-parse', '--is-shallow-repository'], hint),
  ]);
  return { gitTags: linesOf(tags), shallow: shallow === 'true' };
}
