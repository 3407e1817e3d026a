import { PrebuiltError } from '../errors.ts';
import { commandOutput } from '../process/command-output.ts';

/** The maximum number of changed files in an error. */
const NAMED = 5;

/**
 * Throws `UNCOMMITTED` if tracked files in the folders (none given: in the whole repository) differ from HEAD, since a
 * build from them would contain the wrong commit. Ignores untracked files and those excluded by a sparse checkout. Does
 * nothing in a folder that isn't a git repository, which has no commit.
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
    `sources: expected no uncommitted changes, found ${files.slice(0, NAMED).join(', ')}${more}`,
    {
      hint: 'Commit the changes and release that commit as a new version. To release anyway: {run} --allow-uncommitted',
    },
  );
}
