import { join } from 'node:path';
import { BLOBS_FOLDER, type Descriptor, digestHex, readDocument } from '@prebuilt/oci';
import type { RepositoryClient } from '@prebuilt/oci/registry';
import type { PublishedImage } from '../../artifacts/publish-record.ts';
import { readChunks } from '../../files/chunks.ts';
import type { BlobPlan, PublishPlan } from './plan.ts';
import type { PublishTarget } from './target.ts';

/** The totals of an upload to one repository. Sizes are bytes. */
export type UploadTotals = Pick<PublishedImage, 'bytesSent' | 'bytesSkipped' | 'blobsSent' | 'blobsSkipped'>;

/**
 * Uploads blobs and manifests by digest, skipping those already there, and reads each layer back as soon as the
 * registry serves it. Moves no tags.
 */
export async function uploadImage(plan: PublishPlan, target: PublishTarget): Promise<UploadTotals> {
  const totals = await uploadBlobs(plan, target);
  for (const descriptor of [...plan.platforms.map(({ manifest }) => manifest), plan.index])
    await putMissing(target.client, descriptor, await readDocument(plan.inputPath, descriptor));
  target.progress(
    `${target.plan.reference}: uploaded (${totals.bytesSent} bytes sent, ${totals.bytesSkipped} already there)`,
  );
  return totals;
}

async function uploadBlobs(plan: PublishPlan, target: PublishTarget): Promise<UploadTotals> {
  const waiting = [...plan.blobs];
  const totals = { bytesSent: 0, bytesSkipped: 0, blobsSent: 0, blobsSkipped: 0 };
  const worker = async (): Promise<void> => {
    for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift()) {
      const { size } = blob.descriptor;
      const { how, sent } = await uploadBlob(plan, target, blob);
      totals.bytesSent += sent;
      if (how === 'uploaded') totals.blobsSent += 1;
      else {
        totals.blobsSkipped += 1;
        totals.bytesSkipped += size;
      }
      target.progress(`${target.plan.label}: ${blob.descriptor.digest.slice(0, 19)}… ${size} bytes ${how}`);
      if (blob.reading !== undefined) await target.layers.readAhead(blob.descriptor);
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: plan.concurrency }, worker));
  const failed = workers.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return totals;
}

function uploadBlob({ inputPath }: PublishPlan, target: PublishTarget, blob: BlobPlan) {
  const { descriptor } = blob;
  const { repository, mountFrom: served } = target.plan;
  const isBaseHere =
    blob.mountFrom?.registry === repository.registry && blob.mountFrom.repository !== repository.repository;
  const mountFrom = served ?? (isBaseHere ? blob.mountFrom?.repository : undefined);
  const path = join(inputPath, BLOBS_FOLDER, digestHex(descriptor.digest));
  return target.client.uploadBlob(descriptor, (offset) => readChunks(path, { offset }), {
    ...(mountFrom !== undefined && { mountFrom }),
    onSession: (url) => target.noteUpload(descriptor.digest, url),
  });
}

async function putMissing(client: RepositoryClient, descriptor: Descriptor, bytes: Buffer): Promise<void> {
  if ((await client.headManifest(descriptor.digest)) !== undefined) return;
  await client.putManifest(descriptor.digest, bytes, descriptor.mediaType);
}
