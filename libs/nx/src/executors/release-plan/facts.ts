import { readVersionFacts } from '../../version/facts.ts';
import { readGitTags } from '../../version/git-tags.ts';
import type { TagPattern } from '../../version/tag-pattern.ts';
import type { ReleasePlanFacts } from './plan.ts';

/** Reads the requested version and git's tags. Throws `VERSION` outside a repository. */
export async function readReleasePlanFacts(
  workspaceRoot: string,
  environment: Readonly<Record<string, string | undefined>>,
  tagPattern: TagPattern,
): Promise<ReleasePlanFacts> {
  const [version, tags] = await Promise.all([
    readVersionFacts(workspaceRoot, environment, tagPattern),
    readGitTags(workspaceRoot),
  ]);
  return { ...version, ...tags };
}
