import { dirname, join, resolve } from 'node:path';
import {
  executablesOf,
  type ListedGroup,
  type Manifest,
  type PlatformArtifact,
} from '../../artifacts/manifest.ts';
import { type Platform, parsePlatforms } from '../../artifacts/platform.ts';
import type { VerifyReport } from '../../artifacts/verify-report.ts';
import { PrebuiltError } from '../../errors.ts';
import type { EngineFacts } from '../../image/builder-facts.ts';
import { LOCK_COMMAND } from '../../lock/lock.ts';
import type { VerifyOptions } from './options.ts';

/** What this machine can run: its own platform, and an emulator's path by platform. */
export interface ExecutionFacts {
  /** Undefined where it runs no executables of Linux by itself. */
  readonly host: Platform | undefined;
  /** The engine in whose containers such a machine runs them; undefined where none answers, and on any other machine. */
  readonly engine?: EngineFacts | undefined;
  readonly emulators: ReadonlyMap<Platform, string>;
  /** Platforms whose emulator the lock names, but which was not fetched yet. */
  readonly unfetched: ReadonlySet<Platform>;
  /** Platforms of other machines that this one's kernel runs itself. */
  readonly related: ReadonlySet<Platform>;
}

/** How an executable is run; `args` precede the program's own. */
export interface Execution {
  readonly report: VerifyReport['execution'];
  readonly command: ExecutionCommand | undefined;
}

/** A program, and what precedes the executable's own arguments. */
export interface ExecutionCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** All of its environment. Defaults to where a system has its programs. */
  readonly env?: Readonly<Record<string, string>>;
}

// Where the dynamic loader looks without configuration. https://man7.org/linux/man-pages/man8/ld.so.8.html
const LIBRARY = /^(usr\/)?lib(32|64|x32)?\/([a-z0-9_]+-linux-[a-z0-9]+\/)?[^/]+\.so(\.[^/]*)?$/;

/** Whether a file of a runtime folder is a library that the dynamic loader finds there. */
export function isLibrary(path: string): boolean {
  return LIBRARY.test(path);
}

/** One executable to verify; `artifact` is its platform's as if it were the only executable. */
export interface ExecutableVerification {
  readonly artifact: PlatformArtifact;
  readonly executable: string;
  readonly command: Execution['command'];
}

/** One platform to verify. Paths are absolute. */
export interface PlatformVerification {
  readonly artifact: PlatformArtifact;
  readonly runtimeFolder: string;
  /** How its executables are run, and why where they are not. */
  readonly execution: Execution['report'];
  /** Whether they are run in containers: their commands come with the image, which is made first. */
  readonly contained: boolean;
  /** The program's own first. */
  readonly executables: readonly ExecutableVerification[];
  /** The package URLs of what the manifest says is in the executables. */
  readonly purls: readonly string[];
}

/** What a verification will do. Paths are absolute, times are milliseconds. */
export interface VerifyPlan {
  readonly inputPath: string;
  readonly version: string;
  readonly manifestSha256: string;
  readonly requireExecution: boolean;
  readonly timeoutMs: number;
  /** The arguments of each run of an executable. */
  readonly smoke: readonly (readonly string[])[];
  /** Whether the first run has to print the version. */
  readonly printsVersion: boolean;
  /** What made the executables, as the manifest names it. */
  readonly toolchain: Manifest['toolchain'];
  /** The file names of all executables of the manifest, also of those that are not verified now. */
  readonly executables: readonly string[];
  /** What images get beside executables. */
  readonly files: readonly ListedGroup[];
  readonly platforms: readonly PlatformVerification[];
}

/** Plans the verification of a manifest's platforms. Throws `INVALID_OPTIONS` for a platform it does not list. */
export function planVerify(
  options: VerifyOptions,
  workspaceRoot: string,
  manifest: { readonly manifest: Manifest; readonly sha256: string },
  facts: ExecutionFacts,
): VerifyPlan {
  const inputPath = resolve(workspaceRoot, options.inputPath);
  const wanted = options.platforms === undefined ? undefined : parsePlatforms(options.platforms);
  const listed = manifest.manifest.platforms.map(({ platform }) => platform);
  const absent = wanted?.find((platform) => !listed.includes(platform));
  if (absent !== undefined) {
    throw new PrebuiltError(
      'INVALID_OPTIONS',
      `platforms: expected platforms of ${join(inputPath, 'manifest.json')} (${listed.join(', ')}), found ${absent}`,
    );
  }
  return {
    inputPath,
    version: manifest.manifest.version,
    manifestSha256: manifest.sha256,
    requireExecution: options.requireExecution,
    timeoutMs: options.timeout * 1000,
    smoke: options.smoke,
    printsVersion: options.printsVersion,
    toolchain: manifest.manifest.toolchain,
    executables: manifest.manifest.platforms.flatMap(executablesOf).map(({ path }) => path),
    files: manifest.manifest.files ?? [],
    platforms: manifest.manifest.platforms
      .filter(({ platform }) => wanted === undefined || wanted.includes(platform))
      .map((artifact) => {
        const runtimeFolder = join(inputPath, artifact.runtime.path);
        const planned = executablesOf(artifact).map((each) => {
          const alone: PlatformArtifact = { ...artifact, ...each };
          const executable = join(inputPath, each.path);
          const { command, report } = planExecution(options, alone, executable, runtimeFolder, facts);
          return { artifact: alone, executable, command, report };
        });
        return {
          artifact,
          runtimeFolder,
          // It depends on the platform alone.
          execution: planned[0]?.report ?? { how: 'none', reason: 'there is nothing to run' },
          contained: planned[0]?.report.how === 'container',
          executables: planned.map(({ report: _, ...each }) => each),
          purls: [...manifest.manifest.components, ...artifact.components].map(({ purl }) => purl),
        };
      }),
  };
}

// With exactly the runtime folder's files and without root: its own loader natively, `-L` under QEMU.
function planExecution(
  { smoke }: VerifyOptions,
  artifact: PlatformArtifact,
  executable: string,
  runtimeFolder: string,
  facts: ExecutionFacts,
): Execution {
  if (smoke.length === 0) {
    const reason = 'the configuration gives no arguments to run it with, so only its structure was verified';
    return { report: { how: 'none', reason }, command: undefined };
  }
  if (artifact.platform === facts.host || facts.related.has(artifact.platform)) {
    return { report: { how: 'native' }, command: nativeCommand(artifact, executable, runtimeFolder) };
  }
  const emulator = facts.emulators.get(artifact.platform);
  if (emulator !== undefined) {
    return {
      report: { how: 'emulated', emulator: emulator.slice(emulator.lastIndexOf('/') + 1) },
      command: { file: emulator, args: ['-L', runtimeFolder, executable] },
    };
  }
  if (facts.engine !== undefined) {
    return { report: { how: 'container', engine: `docker ${facts.engine.version}` }, command: undefined };
  }
  if (facts.host === undefined) {
    const reason =
      "this machine can't run Linux executables itself, and no container engine answers: start Docker";
    return { report: { how: 'none', reason }, command: undefined };
  }
  const fetch = facts.unfetched.has(artifact.platform)
    ? `; fetch the locked one: ${LOCK_COMMAND} --fetch`
    : '';
  const reason = `this machine is ${facts.host} and has no emulator for ${artifact.platform}${fetch}`;
  return { report: { how: 'none', reason }, command: undefined };
}

function nativeCommand(
  artifact: PlatformArtifact,
  executable: string,
  runtimeFolder: string,
): Execution['command'] {
  if (artifact.elf.interpreter === null) return { file: executable, args: [] };
  const libraries = artifact.runtime.files.filter(({ path }) => isLibrary(path));
  const folders = new Set(libraries.map(({ path }) => join(runtimeFolder, dirname(path))));
  return {
    file: join(runtimeFolder, artifact.elf.interpreter),
    args: ['--library-path', [...folders].join(':'), executable],
  };
}
