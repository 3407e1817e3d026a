import { formatImageReference, type LayerThreads, startLayerThreads } from '@prebuilt/oci';

import type { Artifact, AttachedArtifact } from '@prebuilt/oci/registry';
import type { PublishedImage, PublishRecord } from '../../artifacts/publish-record.ts';
import type { Connection } from './connect.ts';
import type { LocalFacts, PublishPlan, RepositoryPlan } from './plan.ts';
import { createLayerReader } from './read-back.ts';
import type { SbomFile } from './referrer.ts';
import { attachSignature, moveTags, proveImage, type UploadTotals, uploadImage } from './run.ts';

import type { UploadJournal } from './upload-journal.ts';

/** Everything that a publish to all repositories works with. */
export interface PublishAll {
  readonly plan: PublishPlan;
  readonly local: LocalFacts;
  readonly sboms: readonly SbomFile[];
  readonly reports: readonly { readonly platform: string; readonly sha256: string }[];
  readonly connection: Connection;
  readonly concurrency: number;
  readonly journal: UploadJournal;
  /** Makes the signature; undefined where none is asked for. */
  readonly sign: (() => Promise<Artifact>) | undefined;
  readonly progress: (line: string) => void;
  readonly beforeTags: (() => Promise<void>) | undefined;
}

/**
 * Checks the right to push to every repository before the first byte is sent; then uploads by digest, reads back,
 * signs, and moves tags, each to all repositories before the next begins, so that no tag moves anywhere until every
 * registry holds the proven image. A repository of a registry that was served before gets its blobs mounted from
 * there. A failure leaves the tags that have not moved where they were; run again, it sends what is missing.
 */
export async function publishAll(all: PublishAll): Promise<PublishRecord> {
  const layers = all.local.layout.images.flatMap(({ manifest }) => manifest.layers);
  await using threads = startLayerThreads(layers.map(({ size }) => size));
  return await publishWith(threads, all);
}

async function publishWith(
  threads: LayerThreads,
  { plan, local, sboms, reports, connection, concurrency, journal, sign, progress, beforeTags }: PublishAll,
): Promise<PublishRecord> {
  const startedAt = new Date().toISOString();
  const clients = new Map(
    plan.repositories.map((each) => [each, connection.clientOf(each.repository)] as const),
  );
  await Promise.all([...clients.values()].map((client) => client.checkPush()));
  for (const [{ repository }, client] of clients) {
    const label = formatImageReference(repository);
    const left = journal.abandoned.filter((upload) => upload.repository === label);
    await Promise.all(left.map(({ url }) => client.cancelUpload(url)));
  }
  const layers = new Map(
    [...clients].map(([target, client]) => [target, createLayerReader(client, threads)] as const),
  );
  const work = {
    layout: local.layout,
    manifest: local.manifest,
    expected: local.expected,
    sboms,
    clientOf: (target: RepositoryPlan) => clients.get(target) ?? connection.clientOf(target.repository),
    layersOf: (target: RepositoryPlan) =>
      layers.get(target) ?? createLayerReader(work.clientOf(target), threads),
    concurrency,
    journal,
    progress,
  };
  const served = new Map<string, string>();
  const uploaded: { readonly target: RepositoryPlan; readonly totals: UploadTotals }[] = [];
  for (const target of plan.repositories) {
    const { registry, repository } = target.repository;
    uploaded.push({ target, totals: await uploadImage(target, work, served.get(registry)) });
    served.set(registry, repository);
  }
  const proven = [];
  for (const each of uploaded) proven.push({ ...each, proof: await proveImage(each.target, work) });
  const signature = await sign?.();
  const images: PublishedImage[] = [];
  const signatures = new Map<RepositoryPlan, AttachedArtifact | null>();
  for (const { target } of proven) {
    if (signature !== undefined) signatures.set(target, await attachSignature(target, work, signature));
  }
  await beforeTags?.();
  for (const { target, totals, proof } of proven) {
    images.push({
      repository: formatImageReference(target.repository),
      reference: target.reference,
      tags: await moveTags(plan, target, work),
      ...proof,
      signature: signatures.get(target) ?? null,
      ...totals,
    });
  }
  return {
    schemaVersion: 1,
    name: plan.name,
    version: plan.version,
    indexDigest: plan.index.digest,
    manifestSha256: local.manifestSha256,
    reports: [...reports],
    images,
    retries: connection.retries(),
    startedAt,
    finishedAt: new Date().toISOString(),
  };
}
