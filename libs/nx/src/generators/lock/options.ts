// Generated from schema.json by npm run generate.
/**
 * Adds what the workspace's programs need to prebuilt.lock.json: compilers, libraries, emulators and data, each pinned by hash.
 */
export interface LockOptions {
  /**
   * Updates every entry to the newest version, and shows what changed.
   */
  readonly refresh: boolean;
  /**
   * Leaves the lock unchanged, and downloads everything in it for this machine into .cache/prebuilt, so that builds need no network.
   */
  readonly fetch: boolean;
  /**
   * Platforms to lock the C library for, in addition to those that programs need.
   */
  readonly platforms: readonly string[];
  /**
   * Debian packages to lock for each platform, in addition to those that programs specify.
   */
  readonly sysrootPackages: readonly string[];
  /**
   * The machines that verify executables, to lock emulators of the other platforms for. Defaults to this machine.
   */
  readonly hosts?: readonly string[];
  /**
   * The version or tag of Bun to lock. Defaults to the locked version, or else the latest.
   */
  readonly bunVersion?: string;
}
