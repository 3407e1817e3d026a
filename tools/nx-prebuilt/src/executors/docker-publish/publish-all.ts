import type { PublishedImage, PublishRecord } from '@prebuilt/artifacts';
import type { Connection } from './connect.ts';
import type { LocalFacts, PublishPlan } from './plan.ts';
import { publishTo, type SbomFile } from './run.ts';

/** Everything that a publish to all repositories works with. */
export interface PublishAll {
  readonly plan: PublishPlan;
  readonly local: LocalFacts;
  readonly sboms: readonly SbomFile[];
  readonly reports: readonly { readonly platform: string; readonly sha256: string }[];
  readonly connection: Connection;
  readonly concurrency: number;
}

/**
 * Checks the right to push to every repository before the first byte is sent, then publishes to one after the
 * other; a repository of a registry that was served before gets its blobs mounted from there.
 */
export async function publishAll({
  plan,
  local,
  sboms,
  reports,
  connection,
  concurrency,
}: PublishAll): Promise<PublishRecord> {
  const startedAt = new Date().toISOString();
  const clients = new Map(
    plan.repositories.map((each) => [each, connection.clientOf(each.repository)] as const),
  );
  await Promise.all([...clients.values()].map((client) => client.checkPush()));
  const images: PublishedImage[] = [];
  const served = new Map<string, string>();
  for (const [target, client] of clients) {
    const { registry, repository } = target.repository;
    const work = {
      layout: local.layout,
      manifest: local.manifest,
      sboms,
      clientOf: () => client,
      concurrency,
      progress: (line: string) => console.log(line),
    };
    images.push(await publishTo(plan, target, work, served.get(registry)));
    served.set(registry, repository);
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
