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
   * The Dockerfile, relative to the workspace root.
   */
  readonly dockerfile: string;
  /**
   * The folder that the Dockerfile copies from, relative to the workspace root.
   */
  readonly context: string;
  /**
   * Additional arguments for docker buildx build, one per item: --buildArguments=--no-cache
   */
  readonly buildArguments: readonly string[];
  /**
   * Prints the command without running it.
   */
  readonly dryRun: boolean;
}
