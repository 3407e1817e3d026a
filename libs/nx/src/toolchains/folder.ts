import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PrebuiltError } from '../errors.ts';

/**
 * The absolute path of a toolchain's working directory. Throws `TOOLCHAIN` if it doesn't exist: otherwise, starting a
 * program in it would look as if the program were missing.
 */
export async function openFolder(workspaceRoot: string, folder: string): Promise<string> {
  const path = resolve(workspaceRoot, folder);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return path;
  throw new PrebuiltError(
    'TOOLCHAIN',
    `toolchain.folder: expected a folder, found ${found === undefined ? 'none' : 'a file'} at ${path}`,
    { hint: 'In prebuilt.json, "folder" is relative to the folder that contains prebuilt.json.' },
  );
}
