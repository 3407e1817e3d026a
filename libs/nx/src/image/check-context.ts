import { lstat, realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import type { BuildContext, ContextFile } from './context.ts';

/**
 * Checks every file in a context against the manifest, except for its content: it must exist, be a regular file not
 * reached through a link, and have the verified size and mode. Throws `ARTIFACT_CHANGED` with the file.
 */
export async function checkFiles({ files }: BuildContext, inputPath: string): Promise<void> {
  const root = await realpath(inputPath);
  for (const file of files) {
    const found = await lstat(file.source).catch((cause: NodeJS.ErrnoException) => {
      throw changed(file, cause.code === 'ENOENT' ? 'a file, found none' : `a file: ${cause.message}`, cause);
    });
    const direct = (await realpath(file.source)) === join(root, relative(inputPath, file.source));
    if (!found.isFile() || !direct) {
      throw changed(
        file,
        `a regular file, found ${found.isFile() || found.isSymbolicLink() ? 'a link' : 'something else'}`,
      );
    }
    if (found.size !== file.size) throw changed(file, `${file.size} bytes, found ${found.size}`);
    const executable = (found.mode & 0o111) !== 0;
    if (executable !== ((file.mode & 0o111) !== 0)) {
      throw changed(file, `the mode ${file.mode.toString(8)}, found ${(found.mode & 0o777).toString(8)}`);
    }
  }
}

/**
 * Checks the content of files against the manifest, except for those with a `source` in `checkedLater`, which are
 * checked when they are read next. Throws `ARTIFACT_CHANGED` with the file.
 */
export async function checkContent(
  { files }: BuildContext,
  checkedLater: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const { source, sha256: expected } of files) {
    if (checkedLater.has(source)) continue;
    const sha256 = await sha256OfFile(source);
    if (sha256 !== expected) throw artifactChanged(source, expected, sha256);
  }
}

function changed({ source }: ContextFile, problem: string, cause?: unknown): PrebuiltError {
  return new PrebuiltError('ARTIFACT_CHANGED', `${source}: expected ${problem}`, {
    hint: 'The folder changed after it was verified: {run build-binaries}, and verify it.',
    cause,
  });
}

/** The error for a file whose content differs from what was verified. */
export function artifactChanged(path: string, expected: string, found: string): PrebuiltError {
  return new PrebuiltError(
    'ARTIFACT_CHANGED',
    `${path}: expected the verified SHA-256 ${expected}, found ${found}`,
    { hint: 'The file changed after it was built: {run build-binaries}, and verify it.' },
  );
}
