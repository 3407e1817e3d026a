import type { ListedArchive } from '../../artifacts/listed.ts';
import type { ContextFile, ContextNode } from '../context.ts';
import { CopyProblem } from '../copy-sources.ts';
import type { Owner } from '../tree-nodes.ts';

/** An archive in the context. */
export interface FoundArchive {
  readonly file: ContextFile;
  readonly archive: ListedArchive;
}

/** The archive at a source of `ADD`; undefined for other files, and for folders, whose archives are just copied. */
export function archiveOf(node: ContextNode): FoundArchive | undefined {
  if (node.kind !== 'file' || node.file.archive === undefined) return undefined;
  return { file: node.file, archive: node.file.archive };
}

/**
 * Refuses an archive that must not be unpacked, and flags that builders silently ignore for an archive's content.
 * Throws a `CopyProblem`.
 */
export function checkAdded(
  { file, archive }: FoundArchive,
  { chmod, exclude }: { readonly chmod: string | undefined; readonly exclude: readonly string[] },
): void {
  if (archive.kind === 'refused') {
    throw new CopyProblem(
      `${file.path}: can't be unpacked: ${archive.because}`,
      archive.hint ??
        'COPY adds it to the image without unpacking it. Or unpack it, and list the folder in "image.files".',
    );
  }
  if (archive.kind === 'foreign') return;
  if (chmod !== undefined) {
    throw new CopyProblem(
      `--chmod=${chmod}: builders ignore it for the content of an archive (${file.path})`,
      'Remove it, and pack the archive with the right modes.',
    );
  }
  if (exclude.length > 0) {
    throw new CopyProblem(
      `--exclude: builders ignore it for the content of an archive (${file.path})`,
      'Pack the archive without those files, or list the unpacked folder in "image.files".',
    );
  }
}

/** Whether anything in an archive has an owner other than the given one. */
export function hasOtherOwners({ archive }: FoundArchive, { uid, gid }: Owner): boolean {
  return (
    archive.kind === 'entries' && archive.entries.some((entry) => entry.uid !== uid || entry.gid !== gid)
  );
}
