import { fileURLToPath } from 'node:url';
import type { Command } from './process.ts';

/** The value that `.env` sets for processes that Nx starts. */
const COMPILE_CACHE = fileURLToPath(new URL('../../../.cache/node-compile', import.meta.url));

/** Runs an executor of the plugin in a separate Node process, without Nx. `options` override the schema's defaults. */
export function executorCommand(
  name: string,
  options: Readonly<Record<string, unknown>>,
  workspaceRoot: string,
): Command {
  const program = fileURLToPath(new URL('./executor-process.ts', import.meta.url));
  return {
    file: process.execPath,
    args: [program, name, JSON.stringify(options), workspaceRoot],
    env: { NODE_COMPILE_CACHE: COMPILE_CACHE },
  };
}
