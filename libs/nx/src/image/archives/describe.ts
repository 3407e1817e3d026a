import {
  type ArchiveEntry,
  type ArchiveLimits,
  cleanText,
  MAX_ARCHIVE,
  OciError,
  readArchive,
} from '@prebuilt/oci';
import type { ListedArchive, ListedArchiveEntry } from '../../artifacts/listed.ts';
import { readChunks } from '../../files/chunks.ts';

const TOO_MUCH = `The archives in "image.files" may have ${MAX_ARCHIVE.entries} entries together, and unpack to 2 GiB each.`;
/** In characters. */
const MAX_REASON = 400;

/** The room left in a manifest, in archive entries and in UTF-16 units of their names. */
export type ManifestRoom = Pick<ArchiveLimits, 'entries' | 'names'>;

/**
 * How `ADD` treats a file; undefined if it isn't an archive. An archive that is damaged, hostile or too large for the
 * room left is described as refused, which matters only if a Dockerfile adds it. Throws the file system's errors.
 */
export async function describeArchive(
  path: string,
  room: ManifestRoom = MAX_ARCHIVE,
): Promise<ListedArchive | undefined> {
  const chunks = readChunks(path);
  try {
    const found = await readArchive(chunks, { limits: { ...MAX_ARCHIVE, ...room } });
    if (found.kind === 'file') return undefined;
    if (found.kind === 'foreign') return { ...found, because: cleanText(found.because).slice(0, MAX_REASON) };
    return { kind: 'entries', entries: found.entries.map(listedEntry) };
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    const because = error.message.replace(/^archive: /, '').slice(0, MAX_REASON);
    const hint = error.code === 'ARCHIVE_LIMIT' ? TOO_MUCH : error.hint;
    return { kind: 'refused', because, ...(hint !== undefined && { hint }) };
  } finally {
    await chunks.return(undefined);
  }
}

/** The room left after describing an archive. */
export function roomAfter(
  { entries, names }: ManifestRoom,
  archive: ListedArchive | undefined,
): ManifestRoom {
  if (archive?.kind !== 'entries') return { entries, names };
  const lengths = archive.entries.map(
    (entry) => entry.path.length + ('target' in entry ? entry.target.length : 0),
  );
  return {
    entries: entries - lengths.length,
    names: Math.max(names - lengths.reduce((total, length) => total + length, 0), 0),
  };
}

/** An archive entry in the manifest's form. */
export function listedEntry(entry: ArchiveEntry): ListedArchiveEntry {
  const { type, path, uid, gid, mtime, size, target = '', sha256 = '' } = entry;
  const metadata = { path, mode: entry.mode.toString(8).padStart(4, '0'), uid, gid, mtime };
  switch (type) {
    case 'file':
      return { type, ...metadata, size, sha256 };
    case 'directory':
      return { type, ...metadata };
    case 'symlink':
    case 'link':
      return { type, ...metadata, target };
  }
}
