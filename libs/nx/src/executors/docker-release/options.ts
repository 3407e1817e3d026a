// Generated from schema.json by npm run generate.
/**
 * Packs verified executables into a multi-arch image, written to disk as an OCI image layout. Compiles nothing.
 */
export interface DockerReleaseOptions {
  /**
   * What packs the image: Docker's buildx, or this plugin itself, which needs no engine and no root. auto uses buildx if a usable builder answers.
   */
  readonly builder: 'auto' | 'buildx' | 'daemonless';
  /**
   * The buildx builder to use. Defaults to the current one.
   */
  readonly builderName?: string;
  /**
   * How layers are compressed. zstd is faster and smaller, but needs a container engine from 2022 or later.
   */
  readonly compression: 'gzip' | 'zstd';
  /**
   * The zstd level, from 1 (fast) to 19 (small). Defaults to 3.
   */
  readonly compressionLevel?: number;
  /**
   * How the daemonless builder words the image's history: as Docker 28 and later do, or as earlier engines, to give the same image ID as one of those.
   */
  readonly historyFormat: 'moby-26' | 'moby-28';
  /**
   * The platforms to pack, in Docker's notation. Defaults to those in the manifest.
   */
  readonly platforms?: readonly string[];
  /**
   * The Dockerfile, relative to the workspace root. It starts FROM scratch or FROM a pinned base image. If it only copies files and sets metadata, the whole image is proven. If it executes something, it needs buildx and only part of the image is proven. By default, a minimal one is generated: the runtime files, the executable, and an unprivileged user.
   */
  readonly dockerfile?: string;
  /**
   * The folder with the executables and their manifest, relative to the workspace root.
   */
  readonly inputPath: string;
  /**
   * The folder with verify's reports, relative to the workspace root.
   */
  readonly verifyPath: string;
  /**
   * The image layout to write, relative to the workspace root. Every run replaces the whole folder.
   */
  readonly outputPath: string;
  /**
   * The label org.opencontainers.image.title. Defaults to the program's name.
   */
  readonly imageTitle?: string;
  /**
   * The label org.opencontainers.image.source, a URL. Defaults to the repository in the workspace's package.json.
   */
  readonly imageSource?: string;
  /**
   * The label org.opencontainers.image.licenses, an SPDX expression. Defaults to the license in the workspace's package.json.
   */
  readonly imageLicenses?: string;
  /**
   * Refuses a Dockerfile that has to execute something (RUN, COPY --from, # syntax=, ADD of some archives), since not every file in its image can be proven.
   */
  readonly requireFullProof: boolean;
  /**
   * Checks everything and prints what would be done, with the exact commands, without doing it.
   */
  readonly dryRun: boolean;
  /**
   * Prints the plan or the result as JSON.
   */
  readonly json: boolean;
}
