import type { PublishRecord } from '../../artifacts/publish-record.ts';
import type { PublishPlan } from './plan.ts';

/** The plan as lines: the image, its platforms, whether it is signed, and for each repository what becomes of each tag and why. */
export function formatPlan(plan: PublishPlan): string {
  const platforms = plan.platforms.map(({ platform, digest }) => `  ${platform}  ${digest}`);
  const repositories = plan.repositories.flatMap(({ reference, tags }) => [
    reference,
    ...tags.map(({ tag, step, reason }) => `  ${step.padEnd(5)}  ${tag}  (${reason})`),
  ]);
  const signing =
    plan.signing === null
      ? []
      : [`  signed, certified by ${plan.signing.fulcioURL}, logged in ${plan.signing.rekorURL}`];
  const first = `${plan.name} ${plan.version}  ${plan.index.digest}`;
  return [first, ...platforms, ...signing, ...repositories].join('\n');
}

/** The record as Markdown for a job's summary. */
export function summariseRecord(record: PublishRecord): string {
  const lines = [`### Published ${record.name} ${record.version}`, ''];
  for (const image of record.images) {
    lines.push(`\`${image.reference}\``, '', '| platform | digest | executable |', '|---|---|---|');
    for (const each of image.platforms)
      lines.push(`| ${each.platform} | \`${each.digest}\` | \`${each.executableSha256}\` |`);
    lines.push('', '| tag | | reason |', '|---|---|---|');
    for (const { tag, outcome, reason } of image.tags) lines.push(`| ${tag} | ${outcome} | ${reason} |`);
    lines.push('', `${image.bytesSent} bytes sent, ${image.bytesSkipped} there already.`, '');
  }
  const seconds = (Date.parse(record.finishedAt) - Date.parse(record.startedAt)) / 1000;
  return [...lines, `${seconds.toFixed(1)} s, ${record.retries} requests tried again.`].join('\n');
}
