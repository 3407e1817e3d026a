import { Readable } from 'node:stream';
import { type Descriptor, type Digest, digestOf, MEDIA_TYPES } from '@prebuilt/oci';
import { type RepositoryClient, referrersTag } from '@prebuilt/oci/registry';
import { readChunks } from '../../files/chunks.ts';

/** A bill of materials on disk. */
export interface SbomFile {
  readonly name: string;
  readonly path: string;
  readonly descriptor: Descriptor;
}

/** The media type of the bills of materials. */
export const SBOM_MEDIA_TYPE = 'application/vnd.cyclonedx+json';

const EMPTY = Buffer.from('{}');
const EMPTY_DESCRIPTOR: Descriptor = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf(EMPTY),
  size: EMPTY.length,
};

/** How something that was attached to an image is found: by the referrers API, or by the tag that stands in for it. */
export interface AttachedArtifact {
  readonly digest: Digest;
  readonly listedBy: 'api' | 'tag';
}

/** What is attached to an image. */
export interface Artifact {
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly layers: readonly {
    readonly descriptor: Descriptor;
    readonly open: (offset: number) => AsyncIterable<Uint8Array>;
  }[];
}

/** An artifact of the bills of materials on disk, each under its file name. */
export function sbomArtifact(files: readonly SbomFile[], created: string): Artifact {
  return {
    artifactType: SBOM_MEDIA_TYPE,
    annotations: { 'org.opencontainers.image.created': created },
    layers: files.map(({ descriptor, name, path }) => ({
      descriptor: { ...descriptor, annotations: { 'org.opencontainers.image.title': name } },
      open: (offset) => readChunks(path, { offset }),
    })),
  };
}

/** An artifact of one document held in memory. */
export function documentArtifact(
  mediaType: string,
  content: Buffer,
  annotations: Readonly<Record<string, string>>,
): Artifact {
  const descriptor: Descriptor = { mediaType, digest: digestOf(content), size: content.length };
  const open = (offset: number): Readable => Readable.from([content.subarray(offset)]);
  return { artifactType: mediaType, annotations, layers: [{ descriptor, open }] };
}

/**
 * Attaches an artifact to an image, so that it refers to it. Registries without the referrers API list it under the
 * tag that the specification names; what is listed there already stays.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject
 */
export async function attach(
  client: RepositoryClient,
  subject: Descriptor,
  { artifactType, annotations, layers }: Artifact,
  onSession: (url: string | undefined) => void,
): Promise<AttachedArtifact> {
  for (const { descriptor, open } of layers) await client.uploadBlob(descriptor, open, { onSession });
  const openEmpty = (offset: number): Readable => Readable.from([EMPTY.subarray(offset)]);
  await client.uploadBlob(EMPTY_DESCRIPTOR, openEmpty, { onSession });
  const { mediaType, digest, size } = subject;
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
  const attached: Descriptor & { readonly artifactType: string } = {
    mediaType: MEDIA_TYPES.manifest,
    digest: digestOf(bytes),
    size: bytes.length,
    artifactType,
    annotations,
  };
  if ((await client.headManifest(attached.digest)) === undefined) {
    await client.putManifest(attached.digest, bytes, MEDIA_TYPES.manifest);
  }
  const { descriptors, source } = await client.listReferrers(digest);
  if (source === 'tag' && !descriptors.some((each) => each.digest === attached.digest)) {
    const manifests = [...descriptors, attached];
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests }));
    await client.setTag(referrersTag(digest), index, MEDIA_TYPES.index);
  }
  return { digest: attached.digest, listedBy: source };
}
