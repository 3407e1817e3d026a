import { createReadStream } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  formatPublishRecord,
  type Manifest,
  PUBLISH_RECORD_FILE,
  type PublishedImage,
  type PublishRecord,
} from '@prebuilt/artifacts';
import {
  BLOBS_FOLDER,
  type Descriptor,
  digestHex,
  formatImageReference,
  type ImageLayout,
  MEDIA_TYPES,
  platformName,
  type RepositoryClient,
  readDocument,
} from '@prebuilt/oci';
import { PrebuiltError } from '../../errors.ts';
import type { PublishPlan, RepositoryPlan } from './plan.ts';
import { readBack } from './read-back.ts';
import { attachSboms } from './referrer.ts';

/** A bill of materials on disk. */
export interface SbomFile {
  readonly name: string;
  readonly path: string;
  readonly descriptor: Descriptor;
}

/** What carrying out a plan needs besides it. */
export interface PublishWork {
  readonly layout: ImageLayout;
  readonly manifest: Manifest;
  readonly sboms: readonly SbomFile[];
  readonly clientOf: (plan: RepositoryPlan) => RepositoryClient;
  readonly concurrency: number;
  readonly progress: (line: string) => void;
}

/**
 * Publishes to one repository: blobs and manifests by digest, then reading every platform back, then the tags, and
 * the tags read back. A failure anywhere leaves the tags that have not moved yet where they were; running it again
 * sends only what is missing.
 */
export async function publishTo(
  plan: PublishPlan,
  target: RepositoryPlan,
  work: PublishWork,
  mountFrom: string | undefined,
): Promise<PublishedImage> {
  const { layout, manifest, progress } = work;
  const client = work.clientOf(target);
  const label = formatImageReference(target.repository);
  const totals = await uploadBlobs(client, work, label, mountFrom);
  const index = await readDocument(layout.folder, layout.root);
  for (const { descriptor } of layout.images) {
    await putOnce(client, descriptor, await readDocument(layout.folder, descriptor));
  }
  await putOnce(client, layout.root, index);
  progress(
    `${target.reference}: uploaded (${totals.bytesSent} bytes sent, ${totals.bytesSkipped} there already)`,
  );

  const configs = new Map(
    layout.images.map(({ platform, config }) => [platformName(platform), config] as const),
  );
  const platforms = await readBack(client, { label, index: layout.root.digest, manifest, configs });
  progress(
    `${target.reference}: read back; ${platforms.map(({ platform }) => platform).join(' and ')} hold the verified files`,
  );

  const created = new Date(manifest.sourceDateEpoch * 1000).toISOString();
  const sbom = work.sboms.length === 0 ? null : await attachSboms(client, layout.root, work.sboms, created);

  for (const { tag, step } of target.tags) {
    if (step === 'move') await client.putManifest(tag, index, layout.root.mediaType);
  }
  await readTagsBack(client, label, plan, target);
  for (const { tag, step, reason } of target.tags) progress(`${label}:${tag}: ${OUTCOMES[step]} (${reason})`);
  return {
    repository: label,
    reference: target.reference,
    platforms: platforms.map((each) => ({ ...each, readBack: true })),
    tags: target.tags.map(({ tag, kind, step, reason }) => ({ tag, kind, outcome: OUTCOMES[step], reason })),
    sbom,
    ...totals,
  };
}

const OUTCOMES = { move: 'moved', keep: 'kept', leave: 'left' } as const;

type Totals = Pick<PublishedImage, 'bytesSent' | 'bytesSkipped' | 'blobsSent' | 'blobsSkipped'>;

async function uploadBlobs(
  client: RepositoryClient,
  { layout, concurrency, progress }: PublishWork,
  label: string,
  mountFrom: string | undefined,
): Promise<Totals> {
  const blobs = new Map(
    layout.images
      .flatMap(({ manifest }) => [manifest.config, ...manifest.layers])
      .map((each) => [each.digest, each] as const),
  );
  const waiting = [...blobs.values()];
  const totals = { bytesSent: 0, bytesSkipped: 0, blobsSent: 0, blobsSkipped: 0 };
  const worker = async (): Promise<void> => {
    for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift()) {
      const path = join(layout.folder, BLOBS_FOLDER, digestHex(blob.digest));
      const { how, sent } = await client.uploadBlob(
        blob,
        (offset) => createReadStream(path, { start: offset }),
        {
          ...(mountFrom === undefined ? {} : { mountFrom }),
        },
      );
      totals.bytesSent += sent;
      if (how === 'uploaded') totals.blobsSent += 1;
      else {
        totals.blobsSkipped += 1;
        totals.bytesSkipped += blob.size;
      }
      progress(`${label}: ${blob.digest.slice(0, 19)}… ${blob.size} bytes ${how}`);
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: concurrency }, worker));
  const failed = workers.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return totals;
}

async function putOnce(client: RepositoryClient, descriptor: Descriptor, bytes: Buffer): Promise<void> {
  if ((await client.headManifest(descriptor.digest)) !== undefined) return;
  await client.putManifest(descriptor.digest, bytes, descriptor.mediaType || MEDIA_TYPES.manifest);
}

async function readTagsBack(
  client: RepositoryClient,
  label: string,
  plan: PublishPlan,
  target: RepositoryPlan,
): Promise<void> {
  for (const { tag, step } of target.tags) {
    if (step === 'leave') continue;
    const found = await client.headManifest(tag);
    if (found !== plan.index.digest) {
      throw new PrebuiltError(
        'READ_BACK',
        `${label}:${tag}: expected it to name ${plan.index.digest}, found ${found ?? 'none'}`,
        {
          hint: 'Did something else move the tag at the same time? Run it again once that has ended.',
        },
      );
    }
  }
}

/** Writes the record beside its place and renames it. */
export async function writeRecord(outputPath: string, record: PublishRecord): Promise<void> {
  await mkdir(outputPath, { recursive: true });
  const path = join(outputPath, PUBLISH_RECORD_FILE);
  await writeFile(`${path}.tmp`, formatPublishRecord(record));
  await rename(`${path}.tmp`, path);
}
