import type { ListedArchive } from '../../artifacts/listed.ts';
import type { ContextFile, ContextNode } from '../context.ts';
import { CopyProblem } from '../copy-sources.ts';
import type { Owner } from '../tree-nodes.ts';

/** A file of the context that is an archive. */
export interface FoundArchive {
  readonly file: ContextFile;
  readonly archive: ListedArchive;
}

/** The archive that a source of `ADD` is; undefined for other files and for folders, which are copied with what is in them. */
export function archiveOf(node: ContextNode): FoundArchive | undefined {
  if (node.kind !== 'file' || node.file.archive === undefined) return undefined;
  return { file: node.file, archive: node.file.archive };
}

/**
 * Refuses an archive that nobody is to unpack, and flags that builders pass over without a word for what is in one. Throws a
 * `CopyProblem`.
 */
export function checkAdded(
  { file, archive }: FoundArchive,
  { chmod, exclude }: { readonly chmod: string | undefined; readonly exclude: readonly string[] },
): void {
  if (archive.kind === 'refused') {
    throw new CopyProblem(
      `${file.path}: can't be unpacked: ${archive.because}`,
      archive.hint ??
        'COPY puts it into the image as it is. Or unpack it, and list the folder in "image.files".',
    );
  }
  if (archive.kind === 'foreign') return;
  if (chmod !== undefined) {
    throw new CopyProblem(
      `--chmod=${chmod}: builders leave what is in an archive with its own modes (${file.path})`,
      'Leave it out, and pack the archive with the modes that its files are to have.',
    );
  }
  if (exclude.length > 0) {
    throw new CopyProblem(
      `--exclude: builders leave nothing of an archive out (${file.path})`,
      'Pack the archive without it, or list the unpacked folder in "image.files".',
    );
  }
}

/** Whether something in an archive has another owner of its own. */
export function hasOtherOwners({ archive }: FoundArchive, { uid, gid }: Owner): boolean {
  return (
    archive.kind === 'entries' && archive.entries.some((entry) => entry.uid !== uid || entry.gid !== gid)
  );
}
