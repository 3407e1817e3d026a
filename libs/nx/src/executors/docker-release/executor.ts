import type { ExecutorContext } from '@nx/devkit';
import { checkOutputPath } from '../../files/workspace-path.ts';
import { writeJobSummary } from '../../github/job-summary.ts';
import { checkCompleteness } from '../../image/completeness.ts';
import { dockerfileOf, expectedImage } from '../../image/release-images.ts';
import { reportFailures } from '../failures.ts';
import { readReleaseFacts } from './facts.ts';
import type { DockerReleaseOptions } from './options.ts';
import { planDockerRelease } from './plan.ts';
import { checkArtifacts, runDockerRelease } from './run.ts';
import { formatPlan, formatRelease, showProgress, summarizeRelease } from './show.ts';

/** `@prebuilt/nx:docker-release`: packs verified executables into a multi-arch image layout. Options: schema.json. */
export default function dockerRelease(
  options: DockerReleaseOptions,
  context: ExecutorContext,
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const facts = await readReleaseFacts(options, context.root);
    const plan = planDockerRelease(options, context.root, facts);
    for (const release of plan.platforms) {
      const artifact = facts.manifest.manifest.platforms.find(
        ({ platform }) => platform === release.platform,
      );
      if (artifact !== undefined) {
        const base = facts.bases.get(release.platform);
        const expected = expectedImage(release, plan.sourceDateEpoch);
        checkCompleteness(artifact, expected, release.image.lists, base);
      }
    }
    await checkOutputPath(context.root, plan.outputPath);
    if (options.dryRun) {
      await checkArtifacts(plan);
      console.log(options.json ? JSON.stringify(plan, null, 2) : formatPlan(plan));
      return true;
    }
    const out = options.json ? process.stderr : process.stdout;
    out.write(`${plan.name} ${plan.version}: ${plan.builder} (${plan.reason})\n`);
    const progress = showProgress({ isTTY: out.isTTY, write: (text) => out.write(text) });
    const dockerfile = dockerfileOf(facts.sources, facts.manifest.manifest);
    const release = await runDockerRelease(plan, { dockerfile, bases: facts.bases }, progress);
    console.log(options.json ? JSON.stringify(release, null, 2) : formatRelease(release));
    await writeJobSummary(summarizeRelease(plan, release));
    return true;
  });
}
