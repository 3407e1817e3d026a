// Generated from schema.json by npm run generate.
/**
 * Checks every built executable against its manifest and its platform, runs it, and writes one report per platform.
 */
export interface VerifyOptions {
  /**
   * The output folder of build-binaries, relative to the workspace root.
   */
  readonly inputPath: string;
  /**
   * The folder for the reports, relative to the workspace root.
   */
  readonly outputPath: string;
  /**
   * Verifies only these platforms, for when several machines each verify their own. Defaults to all platforms in the manifest.
   */
  readonly platforms?: readonly string[];
  /**
   * Fails if an executable can't be run on this machine, natively or in an emulator.
   */
  readonly requireExecution: boolean;
  /**
   * The arguments for each run of an executable; each run must exit with 0. Use an empty list for executables that can't be run this way: only their structure is verified then.
   */
  readonly smoke: readonly string[][];
  /**
   * Whether the first run must print the version.
   */
  readonly printsVersion: boolean;
  /**
   * A folder with QEMU's user-mode emulators (qemu-aarch64 or qemu-aarch64-static), relative to the workspace root. The folder named by the QEMU_DIR variable is searched before it; the emulators in prebuilt.lock.json and on PATH come after it.
   */
  readonly emulators?: string;
  /**
   * How long one run of an executable may take, in seconds.
   */
  readonly timeout: number;
  /**
   * Prints the reports as JSON instead of a table.
   */
  readonly json: boolean;
}
