// Generated from schema.json by npm run generate.
/**
 * Writes what prebuilt.lock.json lacks for the programs of this workspace: compilers, libraries, emulators, data, each by hash.
 */
export interface LockOptions {
  /**
   * Moves every line to the newest version, and shows what changed.
   */
  readonly refresh: boolean;
  /**
   * Writes nothing: fetches into .cache/prebuilt what the lock names for this machine, so that builds need no network.
   */
  readonly fetch: boolean;
  /**
   * Platforms to lock the C library for, beside those that programs are found to need.
   */
  readonly platforms: readonly string[];
  /**
   * Debian packages to lock for each platform, beside those that programs name.
   */
  readonly sysrootPackages: readonly string[];
  /**
   * The machines that verify, for which emulators of the other platforms are locked; this machine by default.
   */
  readonly hosts?: readonly string[];
  /**
   * The version of Bun to lock, or a tag; what is locked already, or else the latest, by default.
   */
  readonly bunVersion?: string;
}
