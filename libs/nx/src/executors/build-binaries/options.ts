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
   * The platforms to compile for, in Docker's notation.
   */
  readonly platforms: readonly string[];
  /**
   * The toolchain that compiles the program: its name, such as go, or an object with its name and options. Paths in the options are relative to the workspace root.
   */
  readonly toolchain:
    | string
    | {
        readonly name: string;
        [k: string]: unknown;
      };
  /**
   * The output folder, relative to the workspace root. Every build replaces the whole folder.
   */
  readonly outputPath: string;
  /**
   * A folder with one sysroot per platform (linux-amd64, linux-arm64). It supplies the loader and the C library in place of the packages in prebuilt.lock.json.
   */
  readonly sysroot?: string;
  /**
   * Debian packages with libraries that the executables need in addition to libc6, such as libgcc-s1 and libstdc++6.
   */
  readonly sysrootPackages: readonly string[];
  /**
   * What images contain besides the executable: files and folders, relative to the workspace root, and the built-ins ca-certificates, tzdata, users and tmp.
   */
  readonly files?: readonly (
    | string
    | {
        /**
         * A file or folder, relative to the workspace root.
         */
        readonly path: string;
        /**
         * Its path in the image. Defaults to its name in the root folder.
         */
        readonly to?: string;
        /**
         * The octal mode of files. Defaults to 0755 for executable files, otherwise 0644.
         */
        readonly mode?: string;
        /**
         * The numeric user and group IDs. Defaults to 0:0.
         */
        readonly owner?: string;
      }
  )[];
  /**
   * Prints what would be built without building it.
   */
  readonly dryRun: boolean;
}
