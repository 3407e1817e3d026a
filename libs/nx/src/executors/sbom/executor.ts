import { resolve } from 'node:path';
import type { ExecutorContext } from '@nx/devkit';
import { readManifest } from '../../artifacts/manifest.ts';
import { checkOutputPath, outputInWorkspace } from '../../files/workspace-path.ts';
import { writeJobSummary } from '../../github/job-summary.ts';
import { reportFailures } from '../failures.ts';
import type { SbomOptions } from './options.ts';
import { planSboms } from './plan.ts';
import { uuidOf, writeSboms } from './run.ts';

/** `@prebuilt/nx:sbom`: writes a bill of materials for each platform. Options: schema.json. */
export default function sbom(options: SbomOptions, context: ExecutorContext): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const manifest = await readManifest(resolve(context.root, options.inputPath));
    const plans = planSboms(manifest, uuidOf);
    const outputPath = outputInWorkspace(context.root, options.outputPath);
    await checkOutputPath(context.root, outputPath);
    await writeSboms(outputPath, plans);
    for (const { fileName, components } of plans) console.log(`${fileName}: ${components.length} components`);
    await writeJobSummary(
      [
        `### Bills of materials of ${manifest.manifest.name} ${manifest.manifest.version}`,
        '',
        ...plans.map(({ fileName, components }) => `- ${fileName}: ${components.length} components`),
      ].join('\n'),
    );
    return true;
  });
}
