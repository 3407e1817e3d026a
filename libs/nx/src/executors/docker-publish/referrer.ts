import { Readable } from 'node:stream';

import { type Descriptor, digestOf } from '@prebuilt/oci';
import type { Artifact } from '@prebuilt/oci/registry';
import { readChunks } from '../../files/chunks.ts';

/** A bill of materials on disk. */
export interface SbomFile {
  readonly name: string;
  readonly path: string;
  readonly descriptor: Descriptor;
}

/** The media type of the bills of materials. */
export const SBOM_MEDIA_TYPE = 'application/vnd.cyclonedx+json';

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
