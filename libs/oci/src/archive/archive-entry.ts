import type { EntryMetadata } from '../layer/tar-header.ts';

/** The kinds of entries that an archive may have. */
export type ArchiveEntryType = 'file' | 'directory' | 'symlink' | 'link';

/**
 * An entry of an archive that was read: as one of a layer, with paths relative to where it is unpacked, and its time cut to
 * whole seconds.
 */
export interface ArchiveEntry extends Omit<EntryMetadata, 'type' | 'special' | 'attributes'> {
  readonly type: ArchiveEntryType;
  /** Of a file's content, in hexadecimal. */
  readonly sha256?: string | undefined;
}

/** How much of an archive is read before it is given up. */
export interface ArchiveLimits {
  /** Of the tar. */
  readonly bytes: number;
  readonly entries: number;
  /** Of all paths and targets together, in UTF-16 units. */
  readonly names: number;
}

/** What an archive is held to: what fits into a manifest, and is unpacked in seconds. */
export const MAX_ARCHIVE: ArchiveLimits = { bytes: 2 * 1024 ** 3, entries: 10_000, names: 1024 * 1024 };
