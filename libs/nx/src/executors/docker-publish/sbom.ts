import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Descriptor, digestOf } from '@prebuilt/oci';
import type { Artifact } from '@prebuilt/oci/registry';
import { PrebuiltError } from '../../errors.ts';
import { readBoundedFile } from '../../files/bounded-file.ts';
import { readChunks } from '../../files/chunks.ts';

/** A bill of materials on disk. */
export interface SbomFile {
  readonly name: string;
  readonly path: string;
  readonly descriptor: Descriptor;
}

/** The media type of the bills of materials. */
export const SBOM_MEDIA_TYPE = 'application/vnd.cyclonedx+json';

/** The largest bill of materials that can be attached. */
const MAX_SBOM_BYTES = 64 * 1024 * 1024;

/** The bills of materials in a folder, sorted by name; empty if the folder does not exist. Throws `SBOM`. */
export async function readSboms(folder: string): Promise<readonly SbomFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new PrebuiltError('SBOM', `${folder}: can't be read: ${error.message}`, { cause: error });
  });
  return Promise.all(
    names
      .filter((name) => name.endsWith('.cdx.json'))
      .sort()
      .map(async (name) => {
        const path = join(folder, name);
        const bytes = await readBoundedFile(path, { maxBytes: MAX_SBOM_BYTES, code: 'SBOM' });
        if (bytes === undefined) throw new PrebuiltError('SBOM', `${path}: is gone`);
        return {
          name,
          path,
          descriptor: { mediaType: SBOM_MEDIA_TYPE, digest: digestOf(bytes), size: bytes.length },
        };
      }),
  );
}

/** An artifact made of bills of materials on disk, each under its file name. `created` is an RFC 3339 time. */
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
