import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PrebuiltError } from '../errors.ts';

/**
 * The folder that a toolchain runs in, absolute. Throws `TOOLCHAIN` where there is none: a program that is started in it
 * would seem to be missing.
 */
export async function openFolder(workspaceRoot: string, folder: string): Promise<string> {
  const path = resolve(workspaceRoot, folder);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return path;
  throw new PrebuiltError(
    'TOOLCHAIN',
    `toolchain.folder: expected a folder, found ${found === undefined ? 'none' : 'a file'} at ${path}`,
    { hint: 'In prebuilt.json, "folder" is relative to the folder of prebuilt.json.' },
  );
}
