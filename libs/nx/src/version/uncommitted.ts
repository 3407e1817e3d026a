import { PrebuiltError } from '../errors.ts';
import { commandOutput } from '../process/command-output.ts';

/** How many changed files an error names. */
const NAMED = 5;

/**
 * Throws `UNCOMMITTED` where tracked files below the folders (none: in the whole repository) differ from HEAD: what is
 * built from them would name a commit that it was not made from. Files that git does not track or that a sparse checkout
 * leaves out don't count. A folder that is not a git repository has no commit to name.
 * https://git-scm.com/docs/git-status#_porcelain_format_version_1
 */
export async function requireCommitted(root: string, folders: readonly string[]): Promise<void> {
  const status = ['status', '--porcelain=v1', '-z', '--untracked-files=no', '--no-renames', '--', ...folders];
  const { ok, text } = await commandOutput('git', status, { cwd: root });
  if (!ok || text === '') return;
  const files = text
    .split('\0')
    .filter((entry) => entry !== '')
    .map((entry) => entry.slice(3));
  const more = files.length > NAMED ? `, and ${files.length - NAMED} more` : '';
  throw new PrebuiltError(
    'UNCOMMITTED',
    `sources: expected none that differ from HEAD, found ${files.slice(0, NAMED).join(', ')}${more}`,
    {
      hint: 'Commit the change and release that commit under a version of its own; --allow-uncommitted releases it anyway.',
    },
  );
}
