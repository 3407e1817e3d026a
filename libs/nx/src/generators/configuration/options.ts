// Generated from schema.json by npm run generate.
/**
 * Writes a project's prebuilt.json, which gives it the pipeline's targets.
 */
export interface ConfigurationOptions {
  /**
   * The project, or the folder of a program that isn't a project yet.
   */
  readonly project: string;
  /**
   * The toolchain that compiles the program. Defaults to the one detected from the files in its folder.
   */
  readonly toolchain?: string;
  /**
   * The program's main file, relative to its folder, for the toolchain bun.
   */
  readonly entry?: string;
  /**
   * Where the executables are, for the toolchain import: a path relative to the program's folder with {platform}, {os}, {arch} and {variant}.
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
   * Also writes the Dockerfile.release that builds would otherwise generate, so that you can edit it.
   */
  readonly dockerfile: boolean;
  /**
   * Leaves the changed files unformatted.
   */
  readonly skipFormat: boolean;
  /**
   * Leaves prebuilt.lock.json unchanged.
   */
  readonly skipLock: boolean;
}
