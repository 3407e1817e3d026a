import { PrebuiltError } from '../errors.ts';
import { commandOutput } from './command-output.ts';

/** What git prints, without the last line's end; undefined where it fails or there is no git. */
export async function git(folder: string, ...args: readonly string[]): Promise<string | undefined> {
  const { ok, text } = await commandOutput('git', args, { cwd: folder });
  return ok ? withoutLineEnd(text) : undefined;
}

/** What git prints, without the last line's end. Throws `VERSION` with the first line of git's own words. */
export async function requireGit(folder: string, args: readonly string[], hint?: string): Promise<string> {
  const { ok, text } = await commandOutput('git', args, { cwd: folder });
  if (ok) return withoutLineEnd(text);
  throw new PrebuiltError('VERSION', `git ${args[0]}: ${text}`, hint === undefined ? {} : { hint });
}

/** The lines that are not empty. */
export function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}
