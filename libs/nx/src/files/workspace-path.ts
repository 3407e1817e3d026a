import { resolve, sep } from 'node:path';
import { PrebuiltError } from '../errors.ts';

/** The absolute path of an output folder. Throws `INVALID_OPTIONS` for one that is not inside the workspace. */
export function outputInWorkspace(workspaceRoot: string, path: string): string {
  const absolute = resolve(workspaceRoot, path);
  if (absolute.startsWith(workspaceRoot + sep)) return absolute;
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `outputPath: expected a folder inside ${workspaceRoot}, found ${JSON.stringify(path)}`,
  );
}
