/** The kinds of entries that an archive may have. */
export type ArchiveEntryType = 'file' | 'directory' | 'symlink' | 'link';

/** An entry of an archive that was read. */
export interface ArchiveEntry {
  readonly type: ArchiveEntryType;
  /** Relative to where it is unpacked, with `/`, without a slash at either end. */
  readonly path: string;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970, a fraction cut off. */
  readonly mtime: number;
  /** Bytes; 0 for anything but a file. */
  readonly size: number;
  /** What a symlink points to, or the path of the earlier file that a hard link is. */
  readonly target?: string | undefined;
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
