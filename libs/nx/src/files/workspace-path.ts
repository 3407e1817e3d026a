import { lstat, realpath } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { PrebuiltError } from '../errors.ts';

/** The absolute path of an output folder. Throws `INVALID_OPTIONS` if it is outside the workspace. */
export function outputInWorkspace(workspaceRoot: string, path: string): string {
  const absolute = resolve(workspaceRoot, path);
  if (absolute.startsWith(workspaceRoot + sep)) return absolute;
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `outputPath: expected a folder inside ${workspaceRoot}, found ${JSON.stringify(path)}`,
  );
}

/**
 * Checks the absolute path of an output folder on disk: it must not be a link, and no link in its parent folders may
 * lead out of the workspace. Throws `OUTPUT`.
 */
export async function checkOutputPath(workspaceRoot: string, path: string): Promise<void> {
  const root = await realpath(workspaceRoot);
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSymbolicLink() === true) {
    throw new PrebuiltError('OUTPUT', `${path}: expected a folder, found a symbolic link`, {
      hint: 'Nothing was changed. Remove the link, or choose another outputPath.',
    });
  }
  for (let above = dirname(path); above.length >= workspaceRoot.length; above = dirname(above)) {
    const real = await realpath(above).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (real === undefined) continue;
    if (real === root || real.startsWith(root + sep)) return;
    throw new PrebuiltError('OUTPUT', `${path}: expected a folder inside ${root}, but ${above} is ${real}`, {
      hint: 'Nothing was changed. A parent folder is a link out of the workspace: choose another outputPath.',
    });
  }
}
