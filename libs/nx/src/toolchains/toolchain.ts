import type { TargetConfiguration } from '@nx/devkit';
import type * as v from 'valibot';
import type { Platform } from '../artifacts/platform.ts';
import type { Lock } from '../lock/lock.ts';

/** What a toolchain may look at to find out whether a project is one of its own. Paths are relative to the project. */
export interface ProjectFolder {
  /** Whether there is such a file. */
  has(path: string): boolean;
  /** A file's text; undefined where there is none. */
  read(path: string): string | undefined;
}

/** The inputs of an Nx target. */
export type TargetInputs = NonNullable<TargetConfiguration['inputs']>;

/** Where and for what a program is built. Paths are absolute. */
export interface BuildContext {
  readonly workspaceRoot: string;
  /** The program's name. */
  readonly name: string;
  readonly platforms: readonly Platform[];
  readonly lock: Lock;
}

/** What a toolchain is told about a build that begins. Paths are absolute. */
export interface PrepareContext extends BuildContext {
  /** Where what the lock names is kept; outlives the build's output. */
  readonly cacheFolder: string;
  /** Aborted when the build is to stop. */
  readonly signal: AbortSignal;
  /** Prints a line of progress. */
  readonly progress: (line: string) => void;
}

/** The executables of one platform to make. */
export interface CompileRequest {
  readonly platform: Platform;
  /** The program's name. */
  readonly name: string;
  /** Where the executable goes; its base name may become part of the executable. */
  readonly outfile: string;
  /** The program's other executables, in the order of the toolchain's `others`, and where they go. */
  readonly others: readonly OtherExecutable[];
  /** The version to embed. */
  readonly version: string;
  /** The commit of a release; null for a development build. */
  readonly revision: string | null;
  /** Seconds since 1970. */
  readonly sourceDateEpoch: number;
}

/** An executable of a program beside its own. */
export interface OtherExecutable {
  readonly name: string;
  readonly outfile: string;
}

/** A part of an executable: a library, or the language's runtime. */
export interface Component {
  readonly kind: 'library' | 'framework';
  /** https://github.com/package-url/purl-spec */
  readonly purl: string;
  /** An SPDX expression, where the part says it. */
  readonly license?: string;
  /** Subresource Integrity of the archive that the part was taken from, where it is pinned. */
  readonly integrity?: string;
}

/** A toolchain that is ready: what it needs is there and was checked. */
export interface PreparedToolchain {
  /** The version of what compiles. */
  readonly version: string;
  /** Makes one platform's executables and says what is in them. Throws `COMPILE_FAILED`. */
  compile(request: CompileRequest): Promise<readonly Component[]>;
}

/** A toolchain with the options of one program. All paths in them are relative to the workspace's root. */
export interface ConfiguredToolchain {
  readonly name: string;
  /** The options, with defaults applied: plain JSON. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The names of the executables that the program has beside its own. */
  readonly others: readonly string[];
  /** Debian packages that its executables need libraries of, beside libc6. */
  readonly sysrootPackages: readonly string[];
  /** The Nx inputs that the program's build declares, where its workspace has the named inputs given. */
  inputs(namedInputs: ReadonlySet<string>): TargetInputs;
  /** The targets of other tools that come before the program's build, as Nx's `dependsOn` names them. */
  readonly dependsOn: readonly string[];
  /**
   * What the result depends on and no workspace file says: the version of a tool, the lock's lines that are used.
   * Plain JSON that goes into the cache key. Throws what `prepare` would throw for what is missing.
   */
  keyFacts(context: BuildContext): Promise<unknown>;
  /**
   * Fetches and checks what compiling needs. Throws `TOOLCHAIN` for a tool that is not there, with what to do,
   * `LOCKFILE` for a line that the lock lacks, `RUNTIME_UNAVAILABLE` or `RUNTIME_INTEGRITY`.
   */
  prepare(context: PrepareContext): Promise<PreparedToolchain>;
}

/** A way to get executables: one file each, listed in `toolchains/index.ts`. */
export interface Toolchain<
  Options extends Readonly<Record<string, unknown>> = Readonly<Record<string, unknown>>,
> {
  readonly name: string;
  /** The definition of the options, without `name`; JSON Schema is generated from it. */
  readonly options: v.GenericSchema<unknown, Options>;
  /** What it is compiled for by default. */
  readonly defaultPlatforms: readonly Platform[];
  /** Every platform that it can make executables for. */
  readonly platforms: readonly Platform[];
  /** The options for a project that is one of its own, by the files beside prebuilt.json; undefined for any other. */
  detect(folder: ProjectFolder): Options | undefined;
  /** The options with paths that were relative to a project's folder made relative to the workspace's root. */
  fromProject(options: Options, projectRoot: string): Options;
  /** The toolchain with the options of one program. */
  configure(options: Options): ConfiguredToolchain;
}
