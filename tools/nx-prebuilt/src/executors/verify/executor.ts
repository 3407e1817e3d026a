import { delimiter, resolve } from 'node:path';
import type { ExecutorContext } from '@nx/devkit';
import { parsePlatforms, readManifest, reportFileName } from '@prebuilt/artifacts';
import { withInterrupt } from '../../interrupt.ts';
import { writeJobSummary } from '../../job-summary.ts';
import { reportFailures } from '../../report-failures.ts';
import { readExecutionFacts } from './facts.ts';
import type { VerifyOptions } from './options.ts';
import { planVerify } from './plan.ts';
import { clearReports, runVerify, writeReports } from './run.ts';
import { formatReports, summariseReports } from './show.ts';

/** `@prebuilt/nx:verify`: proves each executable of a build. Options: schema.json. */
export default function verify(
  options: VerifyOptions,
  context: ExecutorContext,
): Promise<{ success: boolean }> {
  return reportFailures(async () => {
    const outputPath = resolve(context.root, options.outputPath);
    const replaced =
      options.platforms === undefined ? undefined : parsePlatforms(options.platforms).map(reportFileName);
    if (replaced === undefined) await clearReports(outputPath, [], undefined);
    const manifest = await readManifest(resolve(context.root, options.inputPath));
    if (replaced !== undefined) await clearReports(outputPath, replaced, manifest.sha256);
    const facts = await readExecutionFacts(
      manifest.manifest.platforms.map(({ platform }) => platform),
      [
        resolve(context.root, options.emulators),
        ...(process.env.PATH ?? '').split(delimiter).filter(Boolean),
      ],
    );
    const plan = planVerify(options, context.root, manifest, facts);
    const reports = await withInterrupt((signal) => runVerify(plan, signal));
    await writeReports(outputPath, reports);
    console.log(options.json ? JSON.stringify(reports, null, 2) : formatReports(reports));
    await writeJobSummary(summariseReports(reports));
    return reports.every(({ result }) => result === 'passed');
  });
}
