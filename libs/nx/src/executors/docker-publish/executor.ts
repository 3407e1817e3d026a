import { isReleaseDryRun } from '../../version/facts.ts';
import { requireCommitted } from '../../version/uncommitted.ts';
import { reportFailures } from '../failures.ts';
import { type ProjectContext, sourceFolders, tagPatternFor } from '../project-context.ts';
import { connect, type PublishDependencies } from './connect.ts';
import { readLocalFacts, readRegistryFacts } from './facts.ts';
import type { DockerPublishOptions } from './options.ts';
import { planPublish } from './plan.ts';
import { checkLocalFacts } from './preconditions.ts';
import { runPublish } from './run.ts';
import { showPlan, showRecord } from './show.ts';

/** `@prebuilt/nx:docker-publish`: uploads by digest, reads back, then moves tags. Options: schema.json. */
export default function dockerPublish(
  given: DockerPublishOptions,
  context: ProjectContext,
  dependencies: PublishDependencies = {},
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const { root } = context;
    const { environment = process.env, signing, beforeTags } = dependencies;
    const options = { ...given, dryRun: given.dryRun || isReleaseDryRun(environment) };
    if (!options.allowUncommitted) await requireCommitted(root, sourceFolders(context));
    const sources = { root, tagPattern: tagPatternFor(context), environment, signing, base: dependencies };
    const local = await readLocalFacts(options, sources);
    checkLocalFacts(local, options);
    return connect(local.repositories, options, root, dependencies, async ({ clientOf, retries }) => {
      const plan = planPublish(local, await readRegistryFacts(local, options, clientOf), options);
      showPlan(plan, options);
      if (options.dryRun) return true;
      const { abandonedUploads, bases } = local;
      const identityToken = signing?.identityToken;
      const progress = options.json ? console.error : console.log;
      const tools = { clientOf, retries, bases, abandonedUploads, identityToken, progress, beforeTags };
      await showRecord(await runPublish(plan, tools), options);
      return true;
    });
  });
}
