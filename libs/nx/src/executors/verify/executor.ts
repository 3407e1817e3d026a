import { resolve } from 'node:path';
import type { ExecutorContext } from '@nx/devkit';
import { readManifest } from '../../artifacts/manifest.ts';
import { parsePlatforms } from '../../artifacts/platform.ts';
import { checkOutputPath, outputInWorkspace } from '../../files/workspace-path.ts';
import { writeJobSummary } from '../../github/job-summary.ts';
import { withInterrupt } from '../../process/interrupt.ts';
import { reportFailures } from '../failures.ts';
import { emulatorPlaces, readExecutionFacts } from './facts.ts';
import type { VerifyOptions } from './options.ts';
import { planVerify } from './plan.ts';
import { clearReports, clearStaleReports, runVerify, writeReports } from './run.ts';
import { formatReports, summarizeReports } from './show.ts';

/** `@prebuilt/nx:verify`: verifies each executable of a build. Options: schema.json. */
export default function verify(
  options: VerifyOptions,
  context: ExecutorContext,
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const outputPath = outputInWorkspace(context.root, options.outputPath);
    await checkOutputPath(context.root, outputPath);
    const platforms = options.platforms && parsePlatforms(options.platforms);
    await clearReports(outputPath, platforms);
    const manifest = await readManifest(resolve(context.root, options.inputPath));
    await clearStaleReports(outputPath, manifest.sha256);
    const facts = await readExecutionFacts(
      manifest.manifest.platforms.map(({ platform }) => platform),
      await emulatorPlaces(context.root, options.emulators, process.env),
    );
    const plan = planVerify(options, context.root, manifest, facts);
    const reports = await withInterrupt((signal) => runVerify(plan, signal));
    writeReports(outputPath, reports);
    console.log(options.json ? JSON.stringify(reports, null, 2) : formatReports(reports));
    await writeJobSummary(summarizeReports(reports));
    return reports.every(({ result }) => result === 'passed');
  });
}
