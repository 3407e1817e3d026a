// Generated from schema.json by npm run generate.
/**
 * Writes GitHub Actions workflows: a release for each program, and the checks for pull requests.
 */
export interface CiWorkflowOptions {
  /**
   * The projects to release. Defaults to every one with a prebuilt.json.
   */
  readonly projects?: readonly string[];
  /**
   * How the release logs in: ghcr with the job's own token; ecr, gar and acr by OpenID Connect; docker-hub and secret with a user and a secret of the repository.
   */
  readonly registry: 'ghcr' | 'ecr' | 'gar' | 'acr' | 'docker-hub' | 'secret';
  /**
   * Where to run arm64 executables: native uses ubuntu-24.04-arm, which private repositories may lack; emulated uses QEMU.
   */
  readonly runners: 'native' | 'emulated';
  /**
   * The GitHub environment of the first job that publishes: its reviewers and rules hold a release until someone approves it.
   */
  readonly environment?: string;
  /**
   * The setup commands for jobs that compile nothing. Defaults to the package manager's installation without install scripts.
   */
  readonly install?: readonly string[];
  /**
   * The setup commands for jobs that compile, emulate or test. Defaults to the same installation plus fetching everything in prebuilt.lock.json.
   */
  readonly prepare?: readonly string[];
  /**
   * The test command that must pass before a release is built.
   */
  readonly test: string;
  /**
   * The command for pull requests, with NX_BASE and NX_HEAD set.
   */
  readonly affected: string;
  /**
   * Where pull requests and the default branch find the results of earlier tasks: github keeps Nx's cache between runs; nx-cloud is for a workspace connected to Nx Cloud; self-hosted is for a server with Nx's cache protocol. Releases use none of them.
   */
  readonly cache: 'github' | 'nx-cloud' | 'self-hosted';
  /**
   * A container image, pinned by digest, to run tests and the compiler in. Defaults to no container.
   */
  readonly container?: string;
  /**
   * The data folder of a container engine that the tests start in that container. It becomes a volume, and the container gets the privileges that an engine needs.
   */
  readonly engineFolder?: string;
  /**
   * Whether pull requests also build on macOS, as maintainers with Macs do. This applies to Bun and Go programs, which compile there without any other tools.
   */
  readonly macos: boolean;
  /**
   * Sparse-checkout patterns for the job that builds the image, so that it has no sources. Defaults to everything.
   */
  readonly sparse?: readonly string[];
  /**
   * Leaves the written files unformatted.
   */
  readonly skipFormat: boolean;
}
