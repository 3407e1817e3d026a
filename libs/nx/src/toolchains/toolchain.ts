import type { TargetConfiguration } from '@nx/devkit';
import type * as v from 'valibot';
import type { Platform } from '../artifacts/platform.ts';
import type { Lock } from '../lock/lock.ts';

/** The files that a toolchain may examine to detect its projects. Paths are relative to the project. */
export interface ProjectFolder {
  /** Whether the file exists. */
  has(path: string): boolean;
  /** A file's text; undefined if it doesn't exist. */
  read(path: string): string | undefined;
}

/** An Nx target's inputs. */
export type TargetInputs = NonNullable<TargetConfiguration['inputs']>;

/** Where a program is built, and for which platforms. Paths are absolute. */
export interface BuildContext {
  readonly workspaceRoot: string;
  /** The program's name. */
  readonly name: string;
  readonly platforms: readonly Platform[];
  readonly lock: Lock;
}

/** The context of a build that is about to start. Paths are absolute. */
export interface PrepareContext extends BuildContext {
  /** The folder for downloads pinned by the lock; outlives the build's output. */
  readonly cacheFolder: string;
  /** Aborted to stop the build. */
  readonly signal: AbortSignal;
  /** Prints a line of progress. */
  readonly progress: (line: string) => void;
}

/** A request to compile the executables for one platform. */
export interface CompileRequest {
  readonly platform: Platform;
  /** The program's name. */
  readonly name: string;
  /** The path to write the executable to; its base name may become part of the executable. */
  readonly outfile: string;
  /** The program's other executables and their paths, in the order of the toolchain's `others`. */
  readonly others: readonly OtherExecutable[];
  /** The version to embed. */
  readonly version: string;
  /** The commit of a release; null for a development build. */
  readonly revision: string | null;
  /** Seconds since 1970. */
  readonly sourceDateEpoch: number;
}

/** An additional executable of a program. */
export interface OtherExecutable {
  readonly name: string;
  readonly outfile: string;
}

/**
 * A part of an executable, for the bill of materials: a library that is compiled or linked statically into it, or the
 * language's runtime. For static C, that is the C library if the toolchain knows its version. Neither the compiler nor
 * shared libraries: the manifest lists these already.
 */
export interface Component {
  readonly kind: 'library' | 'framework';
  /** https://github.com/package-url/purl-spec */
  readonly purl: string;
  /** An SPDX expression, if the component declares one. */
  readonly license?: string;
  /** The Subresource Integrity hash of the component's archive, if pinned. */
  readonly integrity?: string;
}

/** A toolchain that is ready to compile: everything it needs is installed and checked. */
export interface PreparedToolchain {
  /** The compiler's version. */
  readonly version: string;
  /**
   * Compiles one platform's executables and returns their components; called for all platforms at once. Throws
   * `COMPILE_FAILED`, or `TOOLCHAIN` if a tool turns out to be missing. The build itself checks that each executable fits
   * its platform.
   */
  compile(request: CompileRequest): Promise<readonly Component[]>;
}

/** A toolchain configured for one program. All paths in the options are relative to the workspace root. */
export interface ConfiguredToolchain {
  readonly name: string;
  /** The options with defaults applied, as plain JSON. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The names of the program's additional executables. */
  readonly others: readonly string[];
  /**
   * Whether the executables may be linked dynamically: then prebuilt.lock.json gets libc6 for each platform. A static
   * executable takes nothing from the lock, and needs none of it.
   */
  readonly isDynamic: boolean;
  /** The Debian packages, besides libc6, whose libraries dynamic executables need. */
  readonly sysrootPackages: readonly string[];
  /**
   * The Nx inputs of the program's build, given the workspace's named inputs: the sources, or only prebuilt.json if
   * `keyFacts` covers them (see go.ts).
   */
  inputs(namedInputs: ReadonlySet<string>): TargetInputs;
  /** The targets to run before the program's build, in Nx's `dependsOn` syntax. */
  readonly dependsOn: readonly string[];
  /**
   * Everything the output depends on besides `inputs`, as plain JSON: the compiler, the lock entries in use, and the
   * sources if the compiler can list them exactly. The cache key contains it together with the options, the version
   * with its commit, and the sysroots. A compiler's version is enough if everything that it links into the executable
   * changes only with it; otherwise, add the hashes of those files.
   *
   * If it throws, the key is unique: the build runs and reports the reason, in the words of `prepare` or `compile`. So
   * it must not throw for anything that these accept: such a build would never come from the cache.
   */
  keyFacts(context: BuildContext): Promise<unknown>;
  /**
   * Downloads and checks everything that compiling needs. Throws `TOOLCHAIN` with a hint if a tool is missing,
   * `LOCKFILE` if the lock lacks an entry, `RUNTIME_UNAVAILABLE` or `RUNTIME_INTEGRITY`.
   */
  prepare(context: PrepareContext): Promise<PreparedToolchain>;
}

/** A way to get executables. Each is one file, listed in `toolchains/index.ts`. */
export interface Toolchain<
  Options extends Readonly<Record<string, unknown>> = Readonly<Record<string, unknown>>,
> {
  readonly name: string;
  /** The schema of the options, without `name`. The JSON Schema is generated from it. */
  readonly options: v.GenericSchema<unknown, Options>;
  /** Every platform that it can compile for, `DEFAULT_PLATFORMS` among them. */
  readonly platforms: readonly Platform[];
  /** The options for a project, detected by the files next to prebuilt.json; undefined if it isn't this toolchain's. */
  detect(folder: ProjectFolder): Options | undefined;
  /** Converts paths relative to a project's folder into paths relative to the workspace root. */
  fromProject(options: Options, projectRoot: string): Options;
  /** Configures the toolchain for one program. */
  configure(options: Options): ConfiguredToolchain;
}
