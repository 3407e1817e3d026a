import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BLOBS_FOLDER,
  type Descriptor,
  digestHex,
  type ExpectedImage,
  formatImageReference,
  type ImageLayout,
  layerReadings,
  MEDIA_TYPES,
  OciError,
  platformName,
  readDocument,
} from '@prebuilt/oci';

import { type Artifact, type AttachedArtifact, attach, type RepositoryClient } from '@prebuilt/oci/registry';
import type { Manifest } from '../../artifacts/manifest.ts';
import {
  formatPublishRecord,
  PUBLISH_RECORD_FILE,
  type PublishedImage,
  type PublishRecord,
} from '../../artifacts/publish-record.ts';

import { PrebuiltError } from '../../errors.ts';
import { readChunks } from '../../files/chunks.ts';
import type { PublishPlan, RepositoryPlan, TagStep } from './plan.ts';

import { type LayerReader, readBack } from './read-back.ts';
import { type SbomFile, sbomArtifact } from './referrer.ts';

import type { UploadJournal } from './upload-journal.ts';

/** What carrying out a plan needs besides it. */
export interface PublishWork {
  readonly layout: ImageLayout;
  readonly manifest: Manifest;
  /** What the image of each platform has to be. */
  readonly expected: ReadonlyMap<string, ExpectedImage>;
  readonly sboms: readonly SbomFile[];
  readonly clientOf: (plan: RepositoryPlan) => RepositoryClient;
  readonly layersOf: (plan: RepositoryPlan) => LayerReader;
  readonly concurrency: number;
  readonly journal: UploadJournal;
  readonly progress: (line: string) => void;
}

/** What the upload to one repository came to. Sizes are bytes. */
export type UploadTotals = Pick<PublishedImage, 'bytesSent' | 'bytesSkipped' | 'blobsSent' | 'blobsSkipped'>;

/**
 * Uploads blobs and manifests by digest, what is there already excepted, and has each layer read back as soon as the
 * registry has it. No tag moves.
 */
export async function uploadImage(
  target: RepositoryPlan,
  work: PublishWork,
  mountFrom: string | undefined,
): Promise<UploadTotals> {
  const { layout, progress } = work;
  const client = work.clientOf(target);
  const totals = await uploadBlobs(target, work, mountFrom);
  for (const { descriptor } of layout.images) {
    await putOnce(client, descriptor, await readDocument(layout.folder, descriptor));
  }
  await putOnce(client, layout.root, await readDocument(layout.folder, layout.root));
  progress(
    `${target.reference}: uploaded (${totals.bytesSent} bytes sent, ${totals.bytesSkipped} there already)`,
  );
  return totals;
}

/**
 * Reads every platform back from the registry, holds it against the plan, and attaches the bills of
 * materials. No tag moves. Throws `READ_BACK` for the first difference.
 */
export async function proveImage(
  target: RepositoryPlan,
  work: PublishWork,
): Promise<Pick<PublishedImage, 'platforms' | 'sbom'>> {
  const { layout, manifest, expected: images, progress } = work;
  const client = work.clientOf(target);
  const label = formatImageReference(target.repository);
  const expected = { label, index: layout.root.digest, manifest, images };
  const platforms = await readBack(client, work.layersOf(target), expected);
  progress(
    `${target.reference}: read back; ${platforms.map(({ platform }) => platform).join(' and ')} hold the verified files`,
  );
  const created = new Date(manifest.sourceDateEpoch * 1000).toISOString();
  const sbom =
    work.sboms.length === 0 ? null : await attachTo(target, work, 'sbom', sbomArtifact(work.sboms, created));
  return { platforms: platforms.map((each) => ({ ...each, readBack: true })), sbom };
}

/** Attaches a signature of the index to it; null where the registry did not take or list it. */
export function attachSignature(
  target: RepositoryPlan,
  work: PublishWork,
  signature: Artifact,
): Promise<AttachedArtifact | null> {
  return attachTo(target, work, 'signature', signature);
}

async function attachTo(
  target: RepositoryPlan,
  work: PublishWork,
  key: 'sbom' | 'signature',
  artifact: Artifact,
): Promise<AttachedArtifact | null> {
  const label = formatImageReference(target.repository);
  const note = (url: string | undefined): void => work.journal.note(label, key, url);
  const attached = await attach(work.clientOf(target), work.layout.root, artifact, note);
  if (attached.outcome === 'attached') return { digest: attached.digest, listedBy: attached.listedBy };
  work.progress(`${target.reference}: ${key} ${attached.outcome}: ${attached.reason}`);
  return null;
}

/**
 * Moves the tags of one repository in the plan's order and reads each back. Throws `TAG_EXISTS` where an exact tag
 * came to name something else since the plan was made.
 */
export async function moveTags(
  plan: PublishPlan,
  target: RepositoryPlan,
  work: PublishWork,
): Promise<PublishedImage['tags']> {
  const { layout, progress } = work;
  const client = work.clientOf(target);
  const label = formatImageReference(target.repository);
  const index = await readDocument(layout.folder, layout.root);
  for (const step of target.tags) {
    if (step.step === 'move') await moveTag(client, label, step, { bytes: index, root: layout.root });
  }
  await readTagsBack(client, label, plan, target);
  for (const { tag, step, reason } of target.tags) progress(`${label}:${tag}: ${OUTCOMES[step]} (${reason})`);
  return target.tags.map(({ tag, kind, step, reason }) => ({ tag, kind, outcome: OUTCOMES[step], reason }));
}

async function moveTag(
  client: RepositoryClient,
  label: string,
  { tag, kind, from }: TagStep,
  { bytes, root }: { readonly bytes: Buffer; readonly root: Descriptor },
): Promise<void> {
  if (kind === 'exact') {
    const found = await client.headManifest(tag);
    if (found === root.digest) return;
    if (found !== from) {
      throw new PrebuiltError(
        'TAG_EXISTS',
        `${label}:${tag}: expected it to name ${from ?? 'nothing'}, as when the plan was made, found ${found ?? 'nothing'}`,
        { hint: 'Another publish of this version runs: let it end, and find out which of the two is meant.' },
      );
    }
  }
  try {
    await client.setTag(tag, bytes, root.mediaType);
  } catch (error) {
    // The registry took other bytes than were sent, so the tag names what nobody verified: it is put right at once.
    if (error instanceof OciError && error.code === 'DIGEST_MISMATCH')
      await client.setTag(tag, bytes, root.mediaType);
    throw error;
  }
}

const OUTCOMES = { move: 'moved', keep: 'kept', leave: 'left' } as const;

/** A blob of the image; `readBack` reads back what is no document of its own. */
interface Blob {
  readonly descriptor: Descriptor;
  readonly readBack?: () => Promise<unknown>;
}

function blobsOf({ layout, expected }: PublishWork, layers: LayerReader): readonly Blob[] {
  const blobs = layout.images.flatMap((image): readonly Blob[] => {
    const planned = expected.get(platformName(image.platform));
    const readings = planned === undefined ? [] : layerReadings(planned, image);
    return [
      { descriptor: image.manifest.config },
      ...readings.map((reading) => ({
        descriptor: reading.layer,
        readBack: () => layers.readAhead(reading),
      })),
    ];
  });
  return [...new Map(blobs.map((blob) => [blob.descriptor.digest, blob] as const)).values()];
}

async function uploadBlobs(
  target: RepositoryPlan,
  work: PublishWork,
  mountFrom: string | undefined,
): Promise<UploadTotals> {
  const { layout, concurrency, journal, progress } = work;
  const client = work.clientOf(target);
  const label = formatImageReference(target.repository);
  const waiting = [...blobsOf(work, work.layersOf(target))];
  const totals = { bytesSent: 0, bytesSkipped: 0, blobsSent: 0, blobsSkipped: 0 };
  const worker = async (): Promise<void> => {
    for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift()) {
      const { digest, size } = blob.descriptor;
      const path = join(layout.folder, BLOBS_FOLDER, digestHex(digest));
      const { how, sent } = await client.uploadBlob(
        blob.descriptor,
        (offset) => readChunks(path, { offset }),
        {
          ...(mountFrom === undefined ? {} : { mountFrom }),
          onSession: (url) => journal.note(label, digest, url),
        },
      );
      totals.bytesSent += sent;
      if (how === 'uploaded') totals.blobsSent += 1;
      else {
        totals.blobsSkipped += 1;
        totals.bytesSkipped += size;
      }
      progress(`${label}: ${digest.slice(0, 19)}… ${size} bytes ${how}`);
      await blob.readBack?.();
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
    const seen = await client.confirmTag(tag, plan.index.digest);
    if (seen.state === 'named') continue;
    throw new PrebuiltError(
      'READ_BACK',
      `${label}:${tag}: expected it to name ${plan.index.digest}, found ${seen.found ?? 'none'}`,
      {
        hint:
          seen.state === 'lagging'
            ? 'The registry took the tag and still shows what it named before. Run it again in some minutes.'
            : 'Something else moved the tag at the same time. Run it again once that has ended.',
      },
    );
  }
}

/** Removes the record of a former publish, so that one that fails leaves none. */
export async function removeRecord(outputPath: string): Promise<void> {
  await rm(join(outputPath, PUBLISH_RECORD_FILE), { force: true });
}

/** Writes the record beside its place and renames it. */
export async function writeRecord(outputPath: string, record: PublishRecord): Promise<void> {
  await mkdir(outputPath, { recursive: true });
  const path = join(outputPath, PUBLISH_RECORD_FILE);
  await writeFile(`${path}.tmp`, formatPublishRecord(record));
  await rename(`${path}.tmp`, path);
}
