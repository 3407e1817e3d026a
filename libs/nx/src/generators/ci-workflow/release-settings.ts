import type { Platform } from '../../artifacts/platform.ts';
import type { Commands } from './commands.ts';
import type { CiWorkflowOptions } from './options.ts';

/** A program that is released, as its prebuilt.json and nx.json say. */
export interface ReleasedProgram {
  /** The Nx project. */
  readonly project: string;
  readonly program: string;
  /** Its tag pattern, with `{version}` left. */
  readonly tagPattern: string;
  /** The folder of everything that is built, relative to the workspace's root. */
  readonly output: string;
  readonly platforms: readonly Platform[];
  /** Where the image goes; an empty list is ghcr.io beside the repository. Undefined without an image. */
  readonly repositories: readonly string[] | undefined;
  /** Whether a file of the workspace says where the sources are; else the image is labeled with GitHub's repository. */
  readonly source: boolean;
  readonly page: boolean;
  /** What compiles it; undefined where nothing says. */
  readonly toolchain: string | undefined;
  /** The name of a target, which nx.json may have changed. */
  target(name: string): string;
}

/** What the workflow of a program is made with. */
export interface ReleaseSettings extends Pick<CiWorkflowOptions, 'registry' | 'runners' | 'test'> {
  readonly environment: string | undefined;
  readonly container: string | undefined;
  readonly engineFolder: string | undefined;
  readonly sparse: readonly string[] | undefined;
  readonly commands: Commands;
  /** Whether the program is the only one, so that names need not say which. */
  readonly alone: boolean;
}
