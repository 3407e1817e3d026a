// Generated from schema.json by npm run generate.
/**
 * Builds an image from a Dockerfile with docker buildx and loads it into the local engine, for development.
 */
export interface DockerBuildOptions {
  /**
   * The image's name in the local engine.
   */
  readonly tag: string;
  /**
   * The Dockerfile, relative to the workspace's root.
   */
  readonly dockerfile: string;
  /**
   * The folder that the Dockerfile copies from, relative to the workspace's root.
   */
  readonly context: string;
  /**
   * Further arguments of docker buildx build, each as one item: --buildArguments=--no-cache
   */
  readonly buildArguments: readonly string[];
  /**
   * Prints the command, and builds nothing.
   */
  readonly dryRun: boolean;
}
