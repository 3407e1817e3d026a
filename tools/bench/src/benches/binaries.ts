import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Bench, BenchContext } from '../bench.ts';
import { BenchError } from '../errors.ts';
import { executorCommand } from '../executor-command.ts';
import { type Command, runAll, runInTurn, withEnvironment } from '../process.ts';

/** The sidecar, as `release:build-binaries` compiles it. */
const ENTRY = 'apps/mount-monitor/src/main.ts';
const SIDECAR = { name: 'mount-monitor', toolchain: { name: 'bun', entry: ENTRY } };

/** The part of a build's manifest that benchmarks read. */
interface BuiltPlatform {
  readonly platform: string;
  /** The executable. */
  readonly file: string;
  readonly runtime: string;
}

/** The output of build-binaries. */
export interface Build {
  readonly folder: string;
  readonly platforms: readonly BuiltPlatform[];
}

/** Builds the sidecar's executables in the scratch folder. Throws PREREQUISITE if they can't be built. */
export async function buildSidecar(
  context: BenchContext,
  { name = 'bin', version }: { readonly name?: string; readonly version?: string } = {},
): Promise<Build> {
  const folder = join(context.scratch, name);
  const options = { ...SIDECAR, outputPath: relative(context.workspaceRoot, folder) };
  try {
    const command = executorCommand('build-binaries', options, context.workspaceRoot);
    await runAll([version === undefined ? command : withEnvironment(command, { RELEASE_VERSION: version })]);
  } catch (cause) {
    throw new BenchError('PREREQUISITE', `executables of the sidecar: ${String(cause)}`, {
      hint: './bootstrap',
      cause,
    });
  }
  const { platforms } = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as {
    readonly platforms: readonly {
      readonly platform: string;
      readonly path: string;
      readonly runtime: { readonly path: string };
    }[];
  };
  return {
    folder,
    platforms: platforms.map(({ platform, path, runtime }) => ({
      platform,
      file: join(folder, path),
      runtime: join(folder, runtime.path),
    })),
  };
}

/** Verifies a build as `release:verify` does. Returns the folder of the reports, relative to the workspace. */
export async function verifySidecar(context: BenchContext, build: Build, name = 'verify'): Promise<string> {
  const options = verifyOptions(context, build, name);
  await runAll([executorCommand('verify', options, context.workspaceRoot)]);
  return options.outputPath;
}

/** The executable of a build that runs natively on this machine. */
export function nativeExecutable(build: Build): string {
  return nativePlatform(build).file;
}

/** The part of a build for this machine's platform. */
export function nativePlatform(build: Build): BuiltPlatform {
  const wanted = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const found = build.platforms.find(({ platform }) => platform === wanted);
  if (found === undefined) {
    throw new BenchError(
      'PREREQUISITE',
      `an executable for this machine: expected ${wanted} in the build, found none`,
    );
  }
  return found;
}

function verifyOptions(context: BenchContext, build: Build, name: string) {
  return {
    inputPath: relative(context.workspaceRoot, build.folder),
    outputPath: relative(context.workspaceRoot, join(context.scratch, name)),
    requireExecution: true,
  };
}

const BUN_PACKAGES = [
  { package: '@oven/bun-linux-x64-baseline', target: 'bun-linux-x64-baseline', arch: 'x64' },
  { package: '@oven/bun-linux-aarch64', target: 'bun-linux-arm64', arch: 'arm64' },
] as const;

/** `build-binaries` against the bare compiler, without or with the hashing that a checked build needs. */
function compileBench(
  hashed: boolean,
  fields: Pick<Bench, 'name' | 'title' | 'theirs' | 'target' | 'remark'>,
): Bench {
  return {
    ...fields,
    ours: 'the build-binaries executor in a Node process: compiled, hashed, ELF read, runtime collected',
    unit: 'ms',
    async prepare(context) {
      await buildSidecar(context);
      const lock = JSON.parse(await readFile(join(context.workspaceRoot, 'prebuilt.lock.json'), 'utf8'));
      const runtimes = BUN_PACKAGES.map((each) => {
        const integrity = String(lock.bun.packages[each.package].integrity);
        const digest = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex');
        const file = join(context.workspaceRoot, '.cache/prebuilt/npm', digest, 'bin/bun');
        return { ...each, file };
      });
      const compiler = runtimes.find(({ arch }) => arch === process.arch);
      if (compiler === undefined) {
        throw new BenchError('PREREQUISITE', `a compiler for ${process.arch}: expected one of x64, arm64`);
      }
      const bare = runtimes.map(({ target, file }) => ({
        file: compiler.file,
        cwd: context.scratch,
        args: [
          'build',
          '--compile',
          '--minify',
          '--bytecode',
          '--format=esm',
          '--splitting',
          `--target=${target}`,
          `--compile-executable-path=${file}`,
          `--outfile=${join(context.scratch, `bare-${target}`)}`,
          join(context.workspaceRoot, ENTRY),
        ],
      }));
      const options = {
        ...SIDECAR,
        outputPath: relative(context.workspaceRoot, join(context.scratch, 'bin')),
      };
      const runtimeHashes = runtimes.map(({ file }) => hashCommand(file));
      const ownHashes = runtimes.map(({ target }) => hashCommand(join(context.scratch, `bare-${target}`)));
      const steps = hashed ? [[...bare, ...runtimeHashes], ownHashes] : [bare];
      return {
        ours: { run: () => runAll([executorCommand('build-binaries', options, context.workspaceRoot)]) },
        theirs: { run: () => runInTurn(steps) },
      };
    },
  };
}

/** Against the bare compiler alone, and against it with the hashing that checks need, by the fastest tool there is. */
export const compiles: readonly Bench[] = [
  compileBench(false, {
    name: 'compile',
    title: 'Compile both platforms',
    theirs: 'the two `bun build` commands in parallel, nothing else',
    target: { kind: 'at-most', ratio: 1.2 },
    remark:
      'The compiler reads a whole runtime into memory and writes it out again. Our side lets it use huge pages, and the bare command does not: where page faults are expensive, as in some virtual machines, they take most of its time.',
  }),
  compileBench(true, {
    name: 'compile-hashed',
    title: 'Compile both platforms, against a checked build',
    theirs: 'both `bun build` commands alongside `openssl dgst` of both runtimes, then of both executables',
    target: { kind: 'report' },
  }),
];

/** Hashes a file with the processor's SHA instructions, which sha256sum does not use. */
function hashCommand(file: string): Command {
  return { file: 'openssl', args: ['dgst', '-sha256', file] };
}

/** `verify` against running each executable by hand and hashing it. */
export const verify: Bench = {
  name: 'verify',
  title: 'Verify both platforms',
  ours: 'the verify executor in a Node process: hashes, ELF files, libraries, symbol versions, executions',
  theirs: '`--version` and `--help` of both in parallel, together with `sha256sum` of both',
  unit: 'ms',
  target: { kind: 'at-most', ratio: 1.5 },
  async prepare(context) {
    const build = await buildSidecar(context);
    const native = nativeExecutable(build);
    const lock = JSON.parse(await readFile(join(context.workspaceRoot, 'prebuilt.lock.json'), 'utf8'));
    const host = process.arch === 'x64' ? 'linux/amd64' : 'linux/arm64';
    const commands = build.platforms.flatMap(({ platform, file, runtime }) =>
      ['--version', '--help'].map((argument) => {
        if (file === native) return { file, args: [argument] };
        const { sha256, executable } = lock.emulators[host][platform];
        const emulator = join(context.workspaceRoot, '.cache/prebuilt/emulators', sha256, executable.path);
        return { file: emulator, args: ['-L', runtime, file, argument] };
      }),
    );
    const hashes = build.platforms.map(({ file }) => ({ file: 'sha256sum', args: [file] }));
    const options = verifyOptions(context, build, 'verify');
    return {
      ours: { run: () => runAll([executorCommand('verify', options, context.workspaceRoot)]) },
      theirs: { run: () => runAll([...commands, ...hashes]) },
    };
  },
};
