// Generated from schema.json by npm run generate.
/**
 * Writes a project's prebuilt.json, which gives it the targets of the pipeline.
 */
export interface ConfigurationOptions {
  /**
   * The project, or the folder of a program that is not a project yet.
   */
  readonly project: string;
  /**
   * What compiles the program. If it is left out, the files in its folder decide.
   */
  readonly toolchain?: string;
  /**
   * The program's main file, relative to its folder, for the toolchain bun.
   */
  readonly entry?: string;
  /**
   * Where the executables are, for the toolchain import: a path relative to the program's folder with {platform}, {os}, {arch} and {variant} in it.
   */
  readonly files?: string;
  /**
   * The targets that build those executables, for the toolchain import.
   */
  readonly dependsOn?: readonly string[];
  /**
   * Where the image is published: ghcr.io/acme/server.
   */
  readonly repository?: string;
  /**
   * Also writes the Dockerfile.release that each build would otherwise generate, for you to change.
   */
  readonly dockerfile: boolean;
  /**
   * Leaves the changed files unformatted.
   */
  readonly skipFormat: boolean;
  /**
   * Leaves prebuilt.lock.json as it is.
   */
  readonly skipLock: boolean;
}
