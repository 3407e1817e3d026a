import type { EntryMetadata } from '../layer/tar-header.ts';

/** The types of entries that an archive may contain. */
export type ArchiveEntryType = 'file' | 'directory' | 'symlink' | 'link';

/**
 * An archive entry as read: like a layer entry, with its path relative to the destination folder and its time rounded
 * down to whole seconds.
 */
export interface ArchiveEntry extends Omit<EntryMetadata, 'type' | 'special' | 'attributes'> {
  readonly type: ArchiveEntryType;
  /** The digest of a file's content, in hexadecimal. */
  readonly sha256?: string | undefined;
}

/** How much of an archive is read before giving up. */
export interface ArchiveLimits {
  /** The size of the tar. */
  readonly bytes: number;
  readonly entries: number;
  /** The total length of all paths and targets, in UTF-16 units. */
  readonly names: number;
}

/** The limits for an archive: what fits into a manifest and is unpacked in seconds. */
export const MAX_ARCHIVE: ArchiveLimits = { bytes: 2 * 1024 ** 3, entries: 10_000, names: 1024 * 1024 };
