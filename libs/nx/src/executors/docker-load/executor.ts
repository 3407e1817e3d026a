import { resolve } from 'node:path';
import type { ExecutorContext } from '@nx/devkit';
import { readImageLayout } from '@prebuilt/oci';
import { enginePlatform, thisHost } from '../../process/host.ts';
import { reportFailures } from '../failures.ts';
import type { DockerLoadOptions } from './options.ts';
import { type DockerLoadPlan, planDockerLoad } from './plan.ts';
import { runDockerLoad } from './run.ts';

/** `@prebuilt/nx:docker-load`: loads the packed image into the local engine. Options: schema.json. */
export default function dockerLoad(
  options: DockerLoadOptions,
  context: ExecutorContext,
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const layout = await readImageLayout(resolve(context.root, options.inputPath));
    const plan = planDockerLoad(options, layout, enginePlatform(thisHost()));
    if (!options.dryRun) await runDockerLoad(plan);
    const { blobs, documents, ...told } = plan;
    if (options.json) console.log(JSON.stringify(told, null, 2));
    else for (const line of formatLoad(plan, options.dryRun)) console.log(line);
    return true;
  });
}

/** The plan or the result as text. */
export function formatLoad(
  { reference, digest, platforms, engine, command, blobs }: DockerLoadPlan,
  dryRun: boolean,
): readonly string[] {
  const size = (blobs.reduce((sum, blob) => sum + blob.size, 0) / 1e6).toFixed(1);
  const what = `${reference} (${platforms.join(', ')}; ${size} MB)`;
  return dryRun
    ? [`would load ${what}: ${[command.file, ...command.args].join(' ')}`, `index ${digest}`]
    : [`loaded ${what} into ${engine}`, `index ${digest}`];
}
