import type { ExecutorContext } from '@nx/devkit';
import { executablesOf, type Manifest } from '../../artifacts/manifest.ts';
import { checkOutputPath } from '../../files/workspace-path.ts';
import { writeJobOutputs, writeJobSummary } from '../../github/job-summary.ts';
import { tableLines } from '../../github/table.ts';
import { reportFailures } from '../failures.ts';
import { readBuildFacts } from './facts.ts';
import type { BuildBinariesOptions } from './options.ts';
import { planBuild } from './plan.ts';
import { runBuild } from './run.ts';

/** `@prebuilt/nx:build-binaries`: compiles the program once per platform. Options: schema.json. */
export default function buildBinaries(
  options: BuildBinariesOptions,
  context: ExecutorContext,
): Promise<{ success: boolean }> {
  return reportFailures(context, async () => {
    const plan = planBuild(options, context.root, await readBuildFacts(context, options));
    if (options.dryRun) {
      const { lock: _, ...shown } = plan;
      console.log(JSON.stringify(shown, null, 2));
      return true;
    }
    console.log(`${plan.name} ${plan.version}: ${plan.platforms.map(({ platform }) => platform).join(', ')}`);
    const begun = performance.now();
    await checkOutputPath(context.root, plan.outputPath);
    const manifest = await runBuild(plan, context.root, (line) => console.log(line));
    for (const { path, sha256 } of manifest.platforms.flatMap(executablesOf))
      console.log(`${sha256}  ${path}`);
    await writeJobSummary(summarizeBuild(manifest, performance.now() - begun));
    await writeJobOutputs({ version: manifest.version });
    return true;
  });
}

function summarizeBuild(manifest: Manifest, milliseconds: number): string {
  const { name, version, revision, toolchain, platforms } = manifest;
  return [
    `### Built ${name} ${version}`,
    '',
    `Compiled with ${toolchain.name} ${toolchain.version} in ${(milliseconds / 1000).toFixed(1)} s from ${revision === null ? 'a development tree' : `commit \`${revision}\``}.`,
    '',
    ...tableLines(
      ['file', 'platform', '>bytes', 'SHA-256'],
      platforms.flatMap((artifact) =>
        executablesOf(artifact).map(({ path, size, sha256 }) => [
          path,
          artifact.platform,
          size,
          `\`${sha256}\``,
        ]),
      ),
    ),
  ].join('\n');
}
