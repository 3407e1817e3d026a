// Generated from schema.json by npm run generate.
/**
 * Loads the image into the local engine, to try it out: the very bytes that would be published.
 */
export interface DockerLoadOptions {
  /**
   * The image's name in the engine. Without a tag, the version is its tag.
   */
  readonly image: string;
  /**
   * Where the image is loaded; containerd through its program ctr.
   */
  readonly engine: 'docker' | 'podman' | 'containerd';
  /**
   * The containerd namespace; Kubernetes uses k8s.io.
   */
  readonly namespace: string;
  /**
   * The OCI image layout that docker-release wrote, relative to the workspace's root.
   */
  readonly inputPath: string;
  /**
   * Prints what would be loaded and by which command, and does nothing.
   */
  readonly dryRun: boolean;
  /**
   * Prints the plan or the result as JSON.
   */
  readonly json: boolean;
}
