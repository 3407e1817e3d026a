import { join } from 'node:path';
import { type ImageRepository, startLayerThreads } from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import {
  formatPublishRecord,
  PUBLISH_RECORD_FILE,
  type PublishRecord,
} from '../../artifacts/publish-record.ts';
import { removeFile, replaceFile } from '../../files/replace-file.ts';
import type { Bases } from '../../image/base/read-bases.ts';
import { attachAll, makeAttachments, requireAttachments } from './attachments.ts';
import { createLayerReader, createStoredLayers, type StoredLayers } from './layer-reader.ts';
import type { PublishPlan } from './plan.ts';
import { readBack } from './read-back.ts';
import { moveTags } from './tag-moves.ts';
import { createTagProgress } from './tag-progress.ts';
import type { PublishTarget } from './target.ts';
import { uploadImage } from './upload.ts';
import { type OpenUpload, openUploadJournal, type UploadJournal } from './upload-journal.ts';

/** What carries out a plan. */
export interface PublishTools {
  readonly clientOf: (repository: ImageRepository) => RepositoryClient;
  /** The number of retries so far, over all requests. */
  readonly retries: () => number;
  /** The base image of each platform; empty if the image has no base. */
  readonly bases: Bases;
  /** The uploads that a killed run left open. */
  readonly abandonedUploads: readonly OpenUpload[];
  /** The identity to sign with. Defaults to the CI job's. */
  readonly identityToken: string | undefined;
  readonly progress: (line: string) => void;
  /** Runs once everything is proven, before the first tag moves. */
  readonly beforeTags: (() => Promise<void>) | undefined;
}

/**
 * Carries out a plan. Checks that it may push to every repository before it sends the first byte. Then it completes
 * each step for all repositories before it starts the next, so that no tag moves anywhere until every registry has the
 * proven image. On failure, the remaining tags stay where they are and no record is written; a rerun uploads what is
 * missing.
 */
export async function runPublish(plan: PublishPlan, tools: PublishTools): Promise<PublishRecord> {
  const startedAt = new Date().toISOString();
  const recordPath = join(plan.outputPath, PUBLISH_RECORD_FILE);
  removeFile(recordPath);
  const journal = openUploadJournal(plan.outputPath, tools.abandonedUploads);
  const readings = plan.blobs.flatMap(({ reading }) => reading ?? []);
  await using threads = startLayerThreads(readings.map(({ layer }) => layer.size));
  const stored = createStoredLayers(plan.inputPath, threads);
  // Other processors unpack the layers during the network traffic.
  for (const reading of readings) void stored.unpack(reading);
  const images = await publishTo(targetsOf(plan, tools, stored, journal), plan, tools);
  journal.close();
  const { name, version, index, manifestSha256, reports } = plan;
  const record: PublishRecord = {
    schemaVersion: 2,
    name,
    version,
    indexDigest: index.digest,
    manifestSha256,
    reports: [...reports],
    images: [...images],
    retries: tools.retries(),
    startedAt,
    finishedAt: new Date().toISOString(),
  };
  replaceFile(recordPath, formatPublishRecord(record));
  return record;
}

function targetsOf(
  { repositories }: PublishPlan,
  { clientOf, bases, progress }: PublishTools,
  stored: StoredLayers,
  journal: UploadJournal,
): readonly PublishTarget[] {
  return repositories.map((plan) => {
    const client = clientOf(plan.repository);
    const layers = createLayerReader(client, stored);
    const noteUpload = (key: string, url: string | undefined) => journal.note(plan.label, key, url);
    return { plan, client, layers, bases, noteUpload, progress };
  });
}

async function publishTo(
  targets: readonly PublishTarget[],
  plan: PublishPlan,
  { abandonedUploads, identityToken, beforeTags }: PublishTools,
): Promise<PublishRecord['images']> {
  await Promise.all(targets.map(({ client }) => client.checkPush()));
  await inTurn(targets, async ({ client, plan: { label } }) => {
    const left = abandonedUploads.filter(({ repository }) => repository === label);
    await Promise.all(left.map(({ url }) => client.cancelUpload(url)));
  });
  const uploaded = await inTurn(targets, async (target) => {
    const totals = await uploadImage(plan, target);
    return { target, totals };
  });
  const proven = await inTurn(uploaded, async (each) => {
    const platforms = await readBack(plan, each.target);
    return { ...each, platforms };
  });
  const ready = await makeAttachments(plan, identityToken);
  const attached = await inTurn(proven, async (each) => {
    const attachments = await attachAll(plan, each.target, ready);
    return { ...each, attachments };
  });
  for (const { target, attachments } of attached) requireAttachments(plan.attachments, target, attachments);
  await beforeTags?.();
  const progress = createTagProgress(targets);
  const moved = await progress.told(() =>
    inTurn(attached, async (each) => ({ ...each, tags: await moveTags(plan, each.target, progress) })),
  );
  return moved.map(({ target, tags, totals, platforms, attachments }) => ({
    repository: target.plan.label,
    reference: target.plan.reference,
    tags,
    platforms: platforms.map((each) => ({ ...each, readBack: true as const })),
    ...attachments,
    ...totals,
  }));
}

/** Runs one step for each repository in turn. */
async function inTurn<T, U>(all: readonly T[], step: (each: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  for (const each of all) results.push(await step(each));
  return results;
}
