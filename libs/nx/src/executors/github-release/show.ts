import { tableLines } from '../../github/table.ts';
import type { ReleasePlan } from './plan.ts';
import type { ReleaseResult } from './run.ts';

/** The plan as lines for a terminal. */
export function formatPlan(plan: ReleasePlan): string {
  const what = {
    create: 'a new draft',
    change: 'its draft exists and will be completed',
    publish: 'its draft will be published',
    keep: 'already published; nothing will change',
  }[plan.release.action];
  return [
    `${plan.repository} ${plan.tag}: ${what}`,
    `  commit      ${plan.commit}`,
    `  prerelease  ${plan.prerelease ? 'yes' : 'no'}`,
    `  latest      ${plan.latest.move ? 'moves' : 'stays'}: ${plan.latest.reason}`,
    ...plan.assets.map(
      ({ name, action, size, sha256 }) =>
        `  ${action.padEnd(10)}  ${name}  ${size} bytes  sha256 ${sha256.slice(0, 12)}…`,
    ),
  ].join('\n');
}

/** The result as Markdown for a job's summary. */
export function summarizeRelease(plan: ReleasePlan, result: ReleaseResult): string {
  return [
    `### Release page of ${plan.tag}: ${plan.stage}`,
    '',
    `[${plan.release.action === 'keep' ? 'already published, nothing changed' : plan.stage === 'draft' ? 'draft' : 'published'}](${result.pageUrl}), commit \`${plan.commit}\`, prerelease: ${plan.prerelease ? 'yes' : 'no'}, latest: ${plan.latest.move ? 'moves' : 'stays'} (${plan.latest.reason})`,
    '',
    ...tableLines(
      ['file', '>bytes', 'SHA-256', ''],
      plan.assets.map(({ name, size, sha256 }) => [
        name,
        size,
        `\`${sha256}\``,
        result.uploaded.includes(name) ? 'uploaded' : 'identical',
      ]),
    ),
  ].join('\n');
}
