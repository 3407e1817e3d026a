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
   * Platforms to lock the C library for, besides those that programs are found to need.
   */
  readonly platforms: readonly string[];
  /**
   * Debian packages to lock for each platform, besides those that programs name.
   */
  readonly sysrootPackages: readonly string[];
  /**
   * The machines that verify, for which emulators of the other platforms are locked. Defaults to this machine.
   */
  readonly hosts?: readonly string[];
  /**
   * The version of Bun to lock, or a tag. Defaults to what is locked already, otherwise the latest.
   */
  readonly bunVersion?: string;
}
