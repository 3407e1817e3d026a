import type { ExecutorContext } from '@nx/devkit';
import { isReleaseDryRun } from '../../version/facts.ts';
import { reportFailures } from '../failures.ts';
import { readReleasePublishFacts } from './facts.ts';
import type { ReleasePublishOptions } from './options.ts';
import { planReleasePublish } from './plan.ts';
import { releasePublishTools, runReleasePublish } from './run.ts';
import { formatReleasePlan } from './show.ts';

/** `@prebuilt/nx:release-publish`: publishes a program for `nx release`. Options: schema.json. */
export default function releasePublish(
  given: ReleasePublishOptions,
  context: ExecutorContext,
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const options = { ...given, dryRun: given.dryRun || isReleaseDryRun(process.env) };
    const facts = await readReleasePublishFacts(options, context, process.env);
    const plan = planReleasePublish(facts, options);
    console.log(formatReleasePlan(plan));
    await runReleasePublish(plan, context.root, releasePublishTools(context));
    return true;
  });
}
