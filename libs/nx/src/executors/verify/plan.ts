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
import { LOCK_COMMAND, LOCK_FILE } from '../../lock/lock.ts';
import type { VerifyOptions } from './options.ts';

/** What this machine can run: its own platform, and others by the path of their emulator. */
export interface ExecutionFacts {
  /** Undefined if it can't run Linux executables itself. */
  readonly host: Platform | undefined;
  /** The engine that such a machine runs them in; undefined if none answers, and on any other machine. */
  readonly engine?: EngineFacts | undefined;
  readonly emulators: ReadonlyMap<Platform, string>;
  /** Platforms with an emulator in the lock that has not been fetched yet. */
  readonly unfetched: ReadonlySet<Platform>;
  /** Other platforms that this machine's kernel runs natively. */
  readonly related: ReadonlySet<Platform>;
}

/** How to run an executable, or why it can't be run. */
export interface Execution {
  readonly report: VerifyReport['execution'];
  readonly command: ExecutionCommand | undefined;
}

/** A program, and the arguments that precede the executable's own. */
export interface ExecutionCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Its whole environment. Defaults to just the standard PATH. */
  readonly env?: Readonly<Record<string, string>>;
}

// Where the dynamic loader looks without configuration. https://man7.org/linux/man-pages/man8/ld.so.8.html
const LIBRARY = /^(usr\/)?lib(32|64|x32)?\/([a-z0-9_]+-linux-[a-z0-9]+\/)?[^/]+\.so(\.[^/]*)?$/;

/** Whether a file in a runtime folder is a library that the dynamic loader finds there. */
export function isLibrary(path: string): boolean {
  return LIBRARY.test(path);
}

/** One executable to verify. `artifact` is its platform's artifact, as if this were the only executable. */
export interface ExecutableVerification {
  readonly artifact: PlatformArtifact;
  readonly executable: string;
  readonly command: Execution['command'];
}

/** One platform to verify. Paths are absolute. */
export interface PlatformVerification {
  readonly artifact: PlatformArtifact;
  readonly runtimeFolder: string;
  /** How its executables are run, or why they are not. */
  readonly execution: Execution['report'];
  /** Whether they are run in containers. Their commands are made later, together with the image. */
  readonly contained: boolean;
  /** The main executable first. */
  readonly executables: readonly ExecutableVerification[];
  /** The package URLs of the components that the manifest lists for the executables. */
  readonly purls: readonly string[];
}

/** What a verification will do. Paths are absolute; times are milliseconds. */
export interface VerifyPlan {
  readonly inputPath: string;
  readonly version: string;
  readonly manifestSha256: string;
  readonly requireExecution: boolean;
  readonly timeoutMs: number;
  /** The arguments for each run of an executable. */
  readonly smoke: readonly (readonly string[])[];
  /** Whether the first run must print the version. */
  readonly printsVersion: boolean;
  /** What compiled the executables, as in the manifest. */
  readonly toolchain: Manifest['toolchain'];
  /** The file names of all executables in the manifest, including those not verified in this run. */
  readonly executables: readonly string[];
  /** What images contain besides the executables. */
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
          // It only depends on the platform.
          execution: planned[0]?.report ?? { how: 'none', reason: 'there is nothing to run' },
          contained: planned[0]?.report.how === 'container',
          executables: planned.map(({ report: _, ...each }) => each),
          purls: [...manifest.manifest.components, ...artifact.components].map(({ purl }) => purl),
        };
      }),
  };
}

// Uses exactly the runtime folder's files and no root: through its own loader natively, with `-L` in QEMU.
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
    ? `fetch the locked one: ${LOCK_COMMAND} --fetch`
    : `add one to ${LOCK_FILE}: ${LOCK_COMMAND}`;
  const reason = `this machine is ${facts.host} and has no emulator for ${artifact.platform}; ${fetch}`;
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
