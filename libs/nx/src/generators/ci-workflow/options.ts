// Generated from schema.json by npm run generate.
/**
 * Writes the workflows of GitHub Actions: a release for each program, and what pull requests run.
 */
export interface CiWorkflowOptions {
  /**
   * The projects to release. Defaults to every one with a prebuilt.json.
   */
  readonly projects?: readonly string[];
  /**
   * How the release logs in: ghcr by the job's own token; ecr, gar and acr by OpenID Connect; docker-hub and secret by a user and a secret of the repository.
   */
  readonly registry: 'ghcr' | 'ecr' | 'gar' | 'acr' | 'docker-hub' | 'secret';
  /**
   * Where arm64 executables are run: native uses ubuntu-24.04-arm, which private repositories may lack; emulated uses QEMU.
   */
  readonly runners: 'native' | 'emulated';
  /**
   * The GitHub environment of the first job that publishes: its reviewers and rules hold a release back until somebody agrees.
   */
  readonly environment?: string;
  /**
   * The commands of jobs that compile nothing. Defaults to the package manager's installation without install scripts.
   */
  readonly install?: readonly string[];
  /**
   * The commands of jobs that compile, emulate or test. Defaults to the same installation, and what prebuilt.lock.json names.
   */
  readonly prepare?: readonly string[];
  /**
   * What has to pass before a release is built.
   */
  readonly test: string;
  /**
   * What a pull request runs; NX_BASE and NX_HEAD are set.
   */
  readonly affected: string;
  /**
   * An image, by digest, in which tests and the compiler run. Defaults to the machine itself.
   */
  readonly container?: string;
  /**
   * The data folder of a container engine that the tests start in that container: it becomes a volume, and the container gets the rights that an engine needs.
   */
  readonly engineFolder?: string;
  /**
   * Whether a pull request also builds on macOS, as maintainers at Macs do: the programs of Bun and Go, which compile there with nothing else installed.
   */
  readonly macos: boolean;
  /**
   * Sparse-checkout patterns for the job that makes the image, so that it has no sources. Defaults to everything.
   */
  readonly sparse?: readonly string[];
  /**
   * Leaves the written files unformatted.
   */
  readonly skipFormat: boolean;
}
