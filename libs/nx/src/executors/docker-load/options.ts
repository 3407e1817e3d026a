// Generated from schema.json by npm run generate.
/**
 * Loads the exact image that would be published into the local engine, so you can try it out.
 */
export interface DockerLoadOptions {
  /**
   * The image's name in the engine. Its tag defaults to the version.
   */
  readonly image: string;
  /**
   * The engine to load the image into; containerd is reached through its client, ctr.
   */
  readonly engine: 'docker' | 'podman' | 'containerd';
  /**
   * The containerd namespace; Kubernetes uses k8s.io.
   */
  readonly namespace: string;
  /**
   * The OCI image layout that docker-release wrote, relative to the workspace root.
   */
  readonly inputPath: string;
  /**
   * Prints what would be loaded and the command that loads it, without running it.
   */
  readonly dryRun: boolean;
  /**
   * Prints the plan or the result as JSON.
   */
  readonly json: boolean;
}
