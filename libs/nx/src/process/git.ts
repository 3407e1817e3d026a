import { answerOf } from './answer.ts';

/** What git prints, without the last line's end; undefined where it fails or there is no git. */
export async function git(folder: string, ...args: readonly string[]): Promise<string | undefined> {
  const { ok, text } = await answerOf('git', args, { cwd: folder });
  return ok ? text.replace(/\r?\n$/, '') : undefined;
}
