import { lstat, realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import type { BuildContext, ContextFile } from './context.ts';

/**
 * Holds every file of a context against the manifest, but for its content: there, a regular file reached through no
 * link, of the size and mode that were verified. Throws `ARTIFACT_CHANGED`, naming the file.
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
 * Holds the content of files against the manifest; of those whose `source` is in `checkedLater` it is left to whoever
 * reads them next. Throws `ARTIFACT_CHANGED`, naming the file.
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
    hint: 'The folder is not what was built and verified: {run build-binaries}, and verify it.',
    cause,
  });
}

/** The error that reports a file with another content than was verified. */
export function artifactChanged(path: string, expected: string, found: string): PrebuiltError {
  return new PrebuiltError(
    'ARTIFACT_CHANGED',
    `${path}: expected the SHA-256 ${expected}, which was verified, found ${found}`,
    { hint: 'The file changed after it was built: {run build-binaries}, and verify it.' },
  );
}
