import { type AccessOptions, openAccess } from './access.ts';
import { type Blobs, openBlobs } from './blobs.ts';
import { type Manifests, openManifests } from './manifests.ts';
import { openReferrers, type ReferrersReader } from './referrers.ts';
import { openTags, type Tags } from './tags.ts';
import { openUploads, type Uploads } from './uploads/index.ts';

/**
 * One repository in a registry. Every operation is retried on transient failures, within the transport's limits and one
 * budget of time and bytes; errors are `OciError`s with the operation, the URL without its query, the status and the
 * registry's own message. Nothing depends on a registry's name, only on its responses.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
 */
export interface RepositoryClient extends Blobs, Uploads, Manifests, Tags, ReferrersReader {
  /** Runs work that reads blobs, repeating it on transient failures; each blob has its own budget. */
  attempt<T>(operation: string, work: () => Promise<T>): Promise<T>;
}

/** Creates a client for one repository; all repositories of a registry should share one transport. */
export function createRepositoryClient(options: AccessOptions): RepositoryClient {
  const access = openAccess(options);
  const blobs = openBlobs(access);
  const manifests = openManifests(access);
  const { headManifest, getManifest, putManifest } = manifests;
  return {
    ...blobs,
    ...openUploads(access, blobs),
    headManifest,
    getManifest,
    putManifest,
    ...openTags(access, manifests),
    ...openReferrers(access, manifests),
    attempt: (operation, work) => access.transport.attempt(access.label(operation), work),
  };
}
