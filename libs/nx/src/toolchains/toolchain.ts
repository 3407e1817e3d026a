import type { Platform } from '../artifacts/platform.ts';

/** What every toolchain is told of the build. Paths are absolute. */
export interface ToolchainContext {
  readonly workspaceRoot: string;
  /** Where toolchains keep what they fetch; outlives the build's output. */
  readonly cacheFolder: string;
  readonly platforms: readonly Platform[];
  /** Aborted when the build is to stop. */
  readonly signal: AbortSignal;
  /** Prints a line of progress. */
  readonly progress: (line: string) => void;
}

/** One executable to compile. */
export interface CompileRequest {
  readonly platform: Platform;
  /** The program's main file (or package), an absolute path. */
  readonly entry: string;
  /** Where the executable goes; its base name may become part of the executable. */
  readonly outfile: string;
  /** The version to embed. */
  readonly version: string;
  /** Seconds since 1970. */
  readonly sourceDateEpoch: number;
}

/** A package that the toolchain put into the executables. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
}

/** The language runtime that a toolchain put into a platform's executable. */
export interface ToolchainRuntime {
  readonly package: string;
  readonly version: string;
  /** Subresource Integrity, as the lockfile holds it. */
  readonly integrity: string;
}

/** A toolchain that is ready to compile. */
export interface PreparedToolchain {
  readonly version: string;
  /** The runtime inside the platform's executable; null where the language has none of its own. */
  runtimeOf(platform: Platform): ToolchainRuntime | null;
  /** Compiles one executable and tells what was bundled. Throws `COMPILE_FAILED`. */
  compile(request: CompileRequest): Promise<readonly BundledPackage[]>;
}

/** A way to compile: one file each, listed in `toolchains/index.ts`. */
export interface Toolchain {
  readonly name: string;
  /** Fetches and checks what compiling needs. Throws `TOOLCHAIN`, `RUNTIME_UNAVAILABLE` or `RUNTIME_INTEGRITY`. */
  prepare(context: ToolchainContext): Promise<PreparedToolchain>;
}
