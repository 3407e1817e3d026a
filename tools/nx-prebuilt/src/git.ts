import { execFile } from 'node:child_process';

// A `git tag` of a repository with a hundred thousand tags has a few megabytes.
const MOST_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * What git prints, without the last line's end; undefined where it fails or there is no git. By Node's own means: every
 * publish asks git, and loading execa for that takes longer than git does.
 */
export function git(folder: string, ...args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = execFile(
      'git',
      args,
      { cwd: folder, encoding: 'utf8', maxBuffer: MOST_OUTPUT_BYTES },
      (error, stdout) => resolve(error === null ? stdout.replace(/\r?\n$/, '') : undefined),
    );
    child.stdin?.end();
  });
}
