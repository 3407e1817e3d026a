import { PrebuiltError } from '../errors.ts';
import { commandOutput } from './command-output.ts';

/** Git's output without the final line break; undefined if it fails or git isn't installed. */
export async function git(folder: string, ...args: readonly string[]): Promise<string | undefined> {
  const { ok, text } = await commandOutput('git', args, { cwd: folder });
  return ok ? withoutLineEnd(text) : undefined;
}

/** Git's output without the final line break. Throws `VERSION` with the first line of git's error. */
export async function requireGit(folder: string, args: readonly string[], hint?: string): Promise<string> {
  const { ok, text } = await commandOutput('git', args, { cwd: folder });
  if (ok) return withoutLineEnd(text);
  throw new PrebuiltError('VERSION', `git ${args[0]}: ${text}`, hint === undefined ? {} : { hint });
}

/** The nonempty lines. */
export function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}
