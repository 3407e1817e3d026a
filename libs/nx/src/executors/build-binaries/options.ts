// Generated from schema.json by npm run generate.
/**
 * Compiles a program once for each platform into a folder of executables with their runtime files, a manifest and checksums.
 */
export interface BuildBinariesOptions {
  /**
   * The program's name; its files are called <name>-<os>-<arch>.
   */
  readonly name: string;
  /**
   * The program's main file, relative to the workspace's root.
   */
  readonly entry: string;
  /**
   * The platforms to compile for, in Docker's vocabulary.
   */
  readonly platforms: readonly string[];
  /**
   * What compiles the program.
   */
  readonly toolchain: 'bun';
  /**
   * The folder to fill, relative to the workspace's root. It is replaced as a whole.
   */
  readonly outputPath: string;
  /**
   * A folder with one sysroot a platform (linux-amd64, linux-arm64): where the loader and the C library come from.
   */
  readonly sysroot: string;
  /**
   * Prints what would be built, and builds nothing.
   */
  readonly dryRun: boolean;
}
