import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createImageLayout, digestHex, REF_NAME, writeIndexFile } from '@prebuilt/oci';
import type { PlannedBase } from '../plan.ts';

/**
 * Puts what is the base's into a folder of blobs, byte for byte: its layers, and the documents that lead to them from the
 * digest that the base is pinned by, so that whoever has the folder can follow it there.
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

/** Makes an image layout of links to a base's blobs, as buildx takes it in place of a registry. */
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
