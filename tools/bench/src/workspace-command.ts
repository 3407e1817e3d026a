import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from './process.ts';

/** The command that runs a workspace's own `nx` with these arguments, on the Node that runs this. */
export function nxCommand(
  root: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Command {
  const program = realpathSync(join(root, 'node_modules/.bin/nx'));
  return { file: process.execPath, args: [program, ...args], cwd: root, env };
}
