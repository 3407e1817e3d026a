import type { ExecutorContext } from '@nx/devkit';
import { writeJobSummary } from '../../github/job-summary.ts';
import { reportFailures } from '../failures.ts';
import type { DockerBuildOptions } from './options.ts';
import { planDockerBuild } from './plan.ts';
import { runDockerBuild } from './run.ts';

/** `@prebuilt/nx:docker-build`: builds a development image, compiled inside Docker. Options: schema.json. */
export default function dockerBuild(
  options: DockerBuildOptions,
  context: ExecutorContext,
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const command = planDockerBuild(options, context.root);
    if (options.dryRun) {
      console.log(JSON.stringify(command, null, 2));
      return true;
    }
    await runDockerBuild(command, context.root);
    console.log(`${options.tag}: loaded into the local engine`);
    await writeJobSummary(
      `### Built ${options.tag}\n\nFrom source, for development; loaded into the local engine.`,
    );
    return true;
  });
}
