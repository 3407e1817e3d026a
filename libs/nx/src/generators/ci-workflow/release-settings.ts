import type { Platform } from '../../artifacts/platform.ts';
import type { Commands } from './commands.ts';
import type { CiWorkflowOptions } from './options.ts';

/** A program to release, as configured in its prebuilt.json and nx.json. */
export interface ReleasedProgram {
  /** The Nx project. */
  readonly project: string;
  readonly program: string;
  /** Its tag pattern, with only `{version}` left as a placeholder. */
  readonly tagPattern: string;
  /** The folder for all build output, relative to the workspace root. */
  readonly output: string;
  readonly platforms: readonly Platform[];
  /** The image's repositories; empty for ghcr.io, under the GitHub repository's name. Undefined without an image. */
  readonly repositories: readonly string[] | undefined;
  /** Whether the workspace specifies the source repository; otherwise, the image's label is the GitHub repository. */
  readonly source: boolean;
  readonly page: boolean;
  /** The toolchain's name; undefined if neither configured nor detected. */
  readonly toolchain: string | undefined;
  /** The name of a target, which nx.json may have renamed. */
  target(name: string): string;
}

/** The settings for a program's release workflow. */
export interface ReleaseSettings extends Pick<CiWorkflowOptions, 'registry' | 'runners' | 'test'> {
  readonly environment: string | undefined;
  readonly container: string | undefined;
  readonly engineFolder: string | undefined;
  readonly sparse: readonly string[] | undefined;
  readonly commands: Commands;
  /** Whether nx.json connects the workspace to Nx Cloud. */
  readonly cloud: boolean;
  /** Whether this is the only program, so that names needn't include it. */
  readonly alone: boolean;
}
