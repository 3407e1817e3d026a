import type { ExecutorContext } from '@nx/devkit';
import { writeJobOutputs, writeJobSummary } from '../../github/job-summary.ts';
import { tableLines } from '../../github/table.ts';
import { reportFailures } from '../failures.ts';
import { tagPatternFor } from '../project-context.ts';
import { readReleasePlanFacts } from './facts.ts';
import type { ReleasePlanOptions } from './options.ts';
import { planRelease } from './plan.ts';

/** `@prebuilt/nx:release-plan`: decides whether a release may start. Options: schema.json. */
export default function releasePlan(
  options: ReleasePlanOptions,
  context: ExecutorContext,
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const facts = await readReleasePlanFacts(context.root, process.env, tagPatternFor(context));
    const plan = planRelease(facts, options.tagLatest);
    const rows = plan.tags.map(({ tag, move, reason }) => [tag, move ? 'moves' : 'stays', reason] as const);
    if (options.json) console.log(JSON.stringify(plan, null, 2));
    else {
      console.log(
        `release ${plan.version}${plan.prerelease ? ' (prerelease)' : ''} from the tag ${plan.tag}`,
      );
      for (const row of rows) console.log(`  ${row[0].padEnd(12)} ${row[1]}  ${row[2]}`);
    }
    await writeJobSummary(
      [
        `### Release ${plan.version}${plan.prerelease ? ' (prerelease)' : ''}`,
        '',
        ...tableLines(['image tag', '', 'reason'], rows),
      ].join('\n'),
    );
    await writeJobOutputs({
      version: plan.version,
      tag: plan.tag,
      prerelease: String(plan.prerelease),
      tags: plan.tags
        .filter(({ move }) => move)
        .map(({ tag }) => tag)
        .join(','),
    });
    return true;
  });
}
