import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createImageLayout, digestHex, REF_NAME, writeIndexFile } from '@prebuilt/oci';
import type { PlannedBase } from '../plan.ts';

/**
 * Copies a base into a blob folder, byte for byte: its layers, and the documents that lead to them from the pinned
 * digest, so that the folder's users can follow that digest.
 */
export async function storeBase({ layers, documents }: PlannedBase, blobs: string): Promise<void> {
  const files = new Map(
    [...documents, ...layers].map(({ descriptor, path }) => [digestHex(descriptor.digest), path]),
  );
  for (const [name, path] of files) {
    const temporary = join(blobs, `.base-${randomUUID()}`);
    await copyFile(path, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await rename(temporary, join(blobs, name));
  }
}

/** Creates an image layout of links to a base's blobs, which buildx uses instead of a registry. */
export async function linkBaseLayout(
  { manifest, layers, documents }: PlannedBase,
  folder: string,
): Promise<void> {
  const blobs = await createImageLayout(folder);
  const files = new Map(
    [...documents, ...layers].map(({ descriptor, path }) => [digestHex(descriptor.digest), path]),
  );
  for (const [name, path] of files) await symlink(path, join(blobs, name));
  await writeIndexFile(folder, manifest, { [REF_NAME]: 'base' });
}
