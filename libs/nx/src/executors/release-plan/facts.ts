import { execa } from 'execa';
import { PrebuiltError } from '../../errors.ts';
import { readVersionFacts } from '../../version/facts.ts';
import type { TagPattern } from '../../version/tag-pattern.ts';
import type { BeginFacts } from './plan.ts';

/** Reads the version that is asked for, and git's tags. Throws `VERSION` outside a repository. */
export async function readBeginFacts(
  workspaceRoot: string,
  environment: Readonly<Record<string, string | undefined>>,
  tagPattern: TagPattern,
): Promise<BeginFacts> {
  const git = async (...args: readonly string[]): Promise<string> => {
    const result = await execa('git', [...args], { cwd: workspaceRoot, reject: false, stdin: 'ignore' });
    if (!result.failed) return result.stdout;
    throw new PrebuiltError('VERSION', `git ${args[0]}: ${result.stderr || result.shortMessage}`);
  };
  const { releaseVersion, tagsAtHead } = await readVersionFacts(workspaceRoot, environment, tagPattern);
  return {
    releaseVersion,
    tagsAtHead,
    tagPattern,
    gitTags: (await git('tag', '--list')).split('\n').filter((tag) => tag !== ''),
    shallow: (await git('rev-parse', '--is-shallow-repository')) === 'true',
  };
}
