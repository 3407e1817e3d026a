import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import {
  type Descriptor,
  type Digest,
  digestOf,
  MEDIA_TYPES,
  type RepositoryClient,
  referrersTag,
} from '@prebuilt/oci';
import type { SbomFile } from './run.ts';

const SBOM_TYPE = 'application/vnd.cyclonedx+json';
const EMPTY = Buffer.from('{}');
const EMPTY_DESCRIPTOR: Descriptor = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf(EMPTY),
  size: EMPTY.length,
};

/** How an attached bill of materials is found. */
export interface AttachedSbom {
  readonly digest: Digest;
  readonly listedBy: 'api' | 'tag';
}

/**
 * Attaches bills of materials to an image as one artifact that refers to it. Registries without the referrers API
 * list it under the tag that the specification names; what is listed there already stays.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject
 */
export async function attachSboms(
  client: RepositoryClient,
  subject: Descriptor,
  files: readonly SbomFile[],
  { created, onSession }: { readonly created: string; readonly onSession: (url: string | undefined) => void },
): Promise<AttachedSbom> {
  for (const file of files) {
    await client.uploadBlob(file.descriptor, (offset) => createReadStream(file.path, { start: offset }), {
      onSession,
    });
  }
  await client.uploadBlob(EMPTY_DESCRIPTOR, (offset) => Readable.from([EMPTY.subarray(offset)]), {
    onSession,
  });
  const { mediaType, digest, size } = subject;
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      artifactType: SBOM_TYPE,
      config: EMPTY_DESCRIPTOR,
      layers: files.map(({ descriptor, name }) => ({
        ...descriptor,
        annotations: { 'org.opencontainers.image.title': name },
      })),
      subject: { mediaType, digest, size },
      annotations: { 'org.opencontainers.image.created': created },
    }),
  );
  const attached: Descriptor & { readonly artifactType: string } = {
    mediaType: MEDIA_TYPES.manifest,
    digest: digestOf(bytes),
    size: bytes.length,
    artifactType: SBOM_TYPE,
  };
  if ((await client.headManifest(attached.digest)) === undefined) {
    await client.putManifest(attached.digest, bytes, MEDIA_TYPES.manifest);
  }
  const { descriptors, source } = await client.listReferrers(digest);
  if (source === 'tag' && !descriptors.some((each) => each.digest === attached.digest)) {
    const manifests = [...descriptors, attached];
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests }));
    await client.putManifest(referrersTag(digest), index, MEDIA_TYPES.index);
  }
  return { digest: attached.digest, listedBy: source };
}

/** The media type of the bills of materials. */
export const SBOM_MEDIA_TYPE = SBOM_TYPE;
