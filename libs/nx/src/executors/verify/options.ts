// Generated from schema.json by npm run generate.
/**
 * Checks every built executable against its manifest and its platform, runs it, and writes one report per platform.
 */
export interface VerifyOptions {
  /**
   * The folder that build-binaries filled, relative to the workspace's root.
   */
  readonly inputPath: string;
  /**
   * The folder for the reports, relative to the workspace's root.
   */
  readonly outputPath: string;
  /**
   * Verify only these platforms, when several machines each verify their own. Defaults to all in the manifest.
   */
  readonly platforms?: readonly string[];
  /**
   * Fail if an executable can't be run here, natively or in an emulator.
   */
  readonly requireExecution: boolean;
  /**
   * The arguments of each run of an executable; each run must exit with 0. An empty list for executables that can't be run like this: then only their structure is verified.
   */
  readonly smoke: readonly string[][];
  /**
   * Whether the first run has to print the version.
   */
  readonly printsVersion: boolean;
  /**
   * A folder with QEMU's user-mode emulators (qemu-aarch64 or qemu-aarch64-static), relative to the workspace's root; looked into after the folder QEMU_DIR of the environment, before those of prebuilt.lock.json and PATH.
   */
  readonly emulators?: string;
  /**
   * Seconds that one run of an executable may take.
   */
  readonly timeout: number;
  /**
   * Prints the reports as JSON instead of a table.
   */
  readonly json: boolean;
}
