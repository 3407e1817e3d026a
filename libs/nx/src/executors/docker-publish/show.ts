import type { AttachmentRecord, PublishedImage, PublishRecord } from '../../artifacts/publish-record.ts';
import { writeJobOutputs, writeJobSummary } from '../../github/job-summary.ts';
import { tableLines } from '../../github/table.ts';
import { describeReduced } from '../../image/merged-proof.ts';
import { describe } from './attachments.ts';
import type { DockerPublishOptions } from './options.ts';
import type { AttachmentPlan, PublishPlan, RepositoryPlan } from './plan.ts';

/**
 * Prints the plan: as JSON and nothing else in a dry run with `json`, otherwise as text, to the stream that progress
 * goes to, and whether this is a dry run.
 */
export function showPlan(plan: PublishPlan, { dryRun, json }: DockerPublishOptions): void {
  if (dryRun && json) console.log(JSON.stringify(plan, null, 2));
  else (json ? console.error : console.log)(formatPlan(plan));
  if (dryRun && !json) console.log('dry run: only read from the registry');
}

/** Prints the record if JSON is requested, and writes the job's summary and outputs. */
export async function showRecord(record: PublishRecord, { json }: DockerPublishOptions): Promise<void> {
  if (json) console.log(JSON.stringify(record, null, 2));
  await writeJobSummary(summarizeRecord(record));
  const tags = record.images.flatMap((image) => image.tags.filter(({ outcome }) => outcome !== 'left'));
  await writeJobOutputs({
    digest: record.indexDigest,
    version: record.version,
    tags: [...new Set(tags.map(({ tag }) => tag))].join(','),
  });
}

/**
 * The plan as lines: the image, its blobs, its attachments, and for each repository what happens to each tag and why.
 */
export function formatPlan(plan: PublishPlan): string {
  return [
    `${plan.name} ${plan.version}  ${plan.index.digest}`,
    ...plan.platforms.map(({ platform, digest }) => `  ${platform}  ${digest}`),
    ...plan.blobs.map(
      ({ descriptor: { digest, size }, reason }) =>
        `  blob   ${digest.slice(0, 19)}…  ${size} bytes  (${reason})`,
    ),
    ...plan.attachments.map((each) => `  attach ${describeAttachment(each)}  (${each.reason})`),
    ...plan.repositories.flatMap(formatRepository),
  ].join('\n');
}

function describeAttachment(attachment: AttachmentPlan): string {
  if (attachment.kind === 'sbom') return `SBOM: ${attachment.files.map(({ name }) => name).join(', ')}`;
  const { fulcioURL, rekorURL } = attachment.services;
  return `signature: signed, certified by ${fulcioURL}, logged in ${rekorURL}`;
}

function formatRepository({
  reference,
  abandonedUploads,
  mountFrom,
  tags,
}: RepositoryPlan): readonly string[] {
  const cancel =
    abandonedUploads === 0
      ? []
      : [
          `  cancel ${abandonedUploads === 1 ? '1 upload ' : `${abandonedUploads} uploads`}  (a killed run left ${abandonedUploads === 1 ? 'it' : 'them'} open)`,
        ];
  const mount =
    mountFrom === undefined ? [] : [`  mount  from ${mountFrom}  (same registry, published to earlier)`];
  return [
    reference,
    ...cancel,
    ...mount,
    ...tags.map(({ tag, step, reason }) => `  ${step.padEnd(5)}  ${tag}  (${reason})`),
  ];
}

/** The record as Markdown for a job's summary. */
export function summarizeRecord(record: PublishRecord): string {
  const seconds = (Date.parse(record.finishedAt) - Date.parse(record.startedAt)) / 1000;
  return [
    `### Published ${record.name} ${record.version}`,
    '',
    ...record.images.flatMap(summarizeImage),
    `${seconds.toFixed(1)} s, ${record.retries} requests retried.`,
  ].join('\n');
}

function summarizeImage(image: PublishedImage): readonly string[] {
  return [
    `\`${image.reference}\``,
    '',
    ...tableLines(
      ['platform', 'digest', 'executable'],
      image.platforms.map(({ platform, digest, executableSha256 }) => [
        platform,
        `\`${digest}\``,
        `\`${executableSha256}\``,
      ]),
    ),
    '',
    ...tableLines(
      ['tag', '', 'reason'],
      image.tags.map(({ tag, outcome, reason }) => [tag, outcome, reason]),
    ),
    '',
    ...image.platforms.flatMap(({ platform, reducedProof }) =>
      reducedProof === undefined ? [] : [`${platform}: ${describeReduced(reducedProof)}.`, ''],
    ),
    ...summarizeAttachment('sbom', image.sbom),
    ...summarizeAttachment('signature', image.signature),
    `${image.bytesSent} bytes sent, ${image.bytesSkipped} already there.`,
    '',
  ];
}

function summarizeAttachment(
  kind: AttachmentPlan['kind'],
  outcome: AttachmentRecord | null,
): readonly string[] {
  if (outcome === null) return [];
  const line = describe(kind, outcome);
  return [`${line[0]?.toUpperCase()}${line.slice(1)}.`, ''];
}
