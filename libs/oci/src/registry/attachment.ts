import { type Descriptor, MEDIA_TYPES } from '../descriptor.ts';
import { type Digest, digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';
import { cleanText } from '../outside-text.ts';
import { type Referrer, referrersTag } from './referrers.ts';
import type { RepositoryClient } from './repository.ts';

/** An artifact to attach to an image. `annotations` become those of its manifest. */
export interface Artifact {
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly layers: readonly {
    readonly descriptor: Descriptor;
    readonly open: (offset: number) => AsyncIterable<Uint8Array>;
  }[];
}

/** An attached artifact, and how it is found: through the referrers API, or through the tag that replaces it. */
export interface AttachedArtifact {
  readonly digest: Digest;
  readonly listedBy: 'api' | 'tag';
}

/**
 * The outcome of attaching. `unlisted`: the registry has the artifact, but a search for the image's referrers does not
 * find it. `refused`: the registry does not have it. `reason` is one printable sentence with the registry's own
 * message.
 */
export type AttachmentOutcome =
  | ({ readonly outcome: 'attached' } & AttachedArtifact)
  | { readonly outcome: 'unlisted'; readonly digest: Digest; readonly reason: string }
  | {
      readonly outcome: 'refused';
      readonly step: 'upload' | 'manifest';
      /** The status of the registry's response, if it responded. */
      readonly status: number | undefined;
      readonly reason: string;
    };

const EMPTY = Buffer.from('{}');
const EMPTY_DESCRIPTOR: Descriptor = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf(EMPTY),
  size: EMPTY.length,
};
const MAX_MERGES = 5;

/**
 * Attaches an artifact to an image as a referrer. On registries without the referrers API, it is listed under the tag
 * that the specification defines; existing entries stay, and so do those that others add at the same time. A refusal by
 * the registry is an outcome, so that the caller can continue; all other errors are thrown.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject
 */
export async function attach(
  client: RepositoryClient,
  subject: Descriptor,
  artifact: Artifact,
  onSession?: (url: string | undefined) => void,
): Promise<AttachmentOutcome> {
  const { bytes, referrer } = artifactManifest(subject, artifact);
  const { digest } = referrer;
  let step: 'upload' | 'manifest' = 'upload';
  let listsSubject = false;
  try {
    const options = onSession === undefined ? {} : { onSession };
    for (const { descriptor, open } of artifact.layers) await client.uploadBlob(descriptor, open, options);
    await client.uploadBlob(EMPTY_DESCRIPTOR, emptyFrom, options);
    step = 'manifest';
    if ((await client.headManifest(digest)) === undefined)
      ({ listsSubject } = await client.putManifest(digest, bytes, MEDIA_TYPES.manifest));
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    return { outcome: 'refused', step, status: error.refusal?.status, reason: error.message };
  }
  try {
    const listed = await list(client, subject.digest, referrer, listsSubject);
    return typeof listed === 'string'
      ? { outcome: 'attached', digest, listedBy: listed }
      : { outcome: 'unlisted', digest, ...listed };
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    return { outcome: 'unlisted', digest, reason: error.message };
  }
}

async function* emptyFrom(offset: number): AsyncGenerator<Uint8Array> {
  yield EMPTY.subarray(offset);
}

function artifactManifest(
  { mediaType, digest, size }: Descriptor,
  { artifactType, annotations, layers }: Artifact,
): { readonly bytes: Buffer; readonly referrer: Referrer } {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      artifactType,
      config: EMPTY_DESCRIPTOR,
      layers: layers.map(({ descriptor }) => descriptor),
      subject: { mediaType, digest, size },
      annotations,
    }),
  );
  const own = { mediaType: MEDIA_TYPES.manifest, digest: digestOf(bytes), size: bytes.length };
  return { bytes, referrer: { ...own, artifactType, annotations } };
}

type Listing = 'api' | 'tag' | { readonly reason: string };

async function list(
  client: RepositoryClient,
  subject: Digest,
  referrer: Referrer,
  listsSubject: boolean,
): Promise<Listing> {
  // The registry's own statement counts more than its list, which may lag.
  if (listsSubject) return 'api';
  const { descriptors, source } = await client.listReferrers(subject);
  const listed = descriptors.some(({ digest }) => digest === referrer.digest);
  if (source === 'api' && listed) return 'api';
  return addToTag(client, subject, referrer);
}

/** Adds a referrer to the list under the tag; entries that others add at the same time stay. */
async function addToTag(client: RepositoryClient, subject: Digest, referrer: Referrer): Promise<Listing> {
  const tag = referrersTag(subject);
  for (let merges = 0; merges < MAX_MERGES; merges += 1) {
    const { descriptors, manifest, isSubject } = await client.readReferrersTag(subject);
    if (isSubject)
      return {
        reason: `the registry returns the image itself for the tag ${tag}, which should list its referrers`,
      };
    if (descriptors.some(({ digest }) => digest === referrer.digest)) return 'tag';
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.index,
        manifests: [...descriptors, referrer],
      }),
    );
    if (!(await client.replaceTag(tag, index, MEDIA_TYPES.index, manifest))) continue;
    const seen = await client.confirmTag(tag, digestOf(index));
    if (seen.state === 'named') return 'tag';
    if (seen.state === 'moved') continue;
    if (seen.found === subject)
      return {
        reason: `the registry returns the image itself for the tag ${tag}, which should list its referrers`,
      };
    return { reason: cleanText(`the tag ${tag} still points to ${seen.found ?? 'nothing'}`) };
  }
  return { reason: `the tag ${tag} was moved by others ${MAX_MERGES} times in a row` };
}
