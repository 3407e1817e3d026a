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
   * The platforms to compile for, in Docker's vocabulary.
   */
  readonly platforms: readonly string[];
  /**
   * What compiles the program: a name, such as go, or an object with the name and that toolchain's options, in which paths are relative to the workspace's root.
   */
  readonly toolchain:
    | string
    | {
        readonly name: string;
        [k: string]: unknown;
      };
  /**
   * The folder to fill, relative to the workspace's root. It is replaced as a whole.
   */
  readonly outputPath: string;
  /**
   * A folder with one sysroot for each platform (linux-amd64, linux-arm64): where the loader and the C library come from, in place of the packages of prebuilt.lock.json.
   */
  readonly sysroot?: string;
  /**
   * Debian packages whose libraries the executables need besides libc6, such as libgcc-s1 and libstdc++6.
   */
  readonly sysrootPackages: readonly string[];
  /**
   * What images hold besides the executable: files and folders, relative to the workspace's root, and the built-ins ca-certificates, tzdata, users and tmp.
   */
  readonly files?: readonly (
    | string
    | {
        /**
         * A file or folder, relative to the workspace's root.
         */
        readonly path: string;
        /**
         * Its final path in the image. Defaults to its name, at the root.
         */
        readonly to?: string;
        /**
         * The octal mode of files. Defaults to 0755 for executable files, otherwise 0644.
         */
        readonly mode?: string;
        /**
         * User and group, by number. Defaults to 0:0.
         */
        readonly owner?: string;
      }
  )[];
  /**
   * Prints what would be built, and builds nothing.
   */
  readonly dryRun: boolean;
}
