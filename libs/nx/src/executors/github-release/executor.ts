import type { ExecutorContext } from '@nx/devkit';
import { createGitHubClient } from '../../github/client.ts';
import { writeJobOutputs, writeJobSummary } from '../../github/job-summary.ts';
import { machineClock } from '../../github/retry.ts';
import { withInterrupt } from '../../process/interrupt.ts';
import { isReleaseDryRun } from '../../version/facts.ts';
import { requireCommitted } from '../../version/uncommitted.ts';
import { reportFailures } from '../failures.ts';
import { changelogFilesFor, sourceFolders, tagPatternFor } from '../project-context.ts';
import { readReleaseFacts, readTarget, readToken } from './facts.ts';
import type { GithubReleaseOptions } from './options.ts';
import { planRelease } from './plan.ts';
import { runRelease } from './run.ts';
import { formatPlan, summarizeRelease } from './show.ts';

/** `@prebuilt/nx:github-release`: creates and publishes the release page. Options: schema.json. */
export default function githubRelease(
  options: GithubReleaseOptions,
  context: ExecutorContext,
): Promise<{ success: boolean }> {
  return reportFailures(context, () =>
    withInterrupt(async (signal) => {
      const { baseUrl, repository } = readTarget(options, process.env);
      const dryRun = options.dryRun || isReleaseDryRun(process.env);
      const token = readToken(dryRun, process.env);
      const say = options.json ? console.error : console.log;
      const client = createGitHubClient({
        baseUrl,
        repository,
        token,
        clock: machineClock(signal),
        signal,
        told: say,
      });
      const folders = sourceFolders(context);
      if (!options.allowUncommitted) await requireCommitted(context.root, folders);
      const facts = await readReleaseFacts(
        options,
        {
          root: context.root,
          tagPattern: tagPatternFor(context),
          folders,
          changelogs: changelogFilesFor(context),
        },
        repository,
        client,
        process.env,
      );
      const plan = planRelease(options, facts);
      console.log(options.json ? JSON.stringify(plan, null, 2) : formatPlan(plan));
      if (dryRun) {
        say(
          `dry run: only read from GitHub${token === undefined ? ', without a token: drafts are not visible' : ''}`,
        );
        return true;
      }
      const result = await runRelease(plan, client, say);
      say(`${plan.tag}: ${result.pageUrl}`);
      await writeJobSummary(summarizeRelease(plan, result));
      await writeJobOutputs({ version: facts.version, page: result.pageUrl });
      return true;
    }),
  );
}
