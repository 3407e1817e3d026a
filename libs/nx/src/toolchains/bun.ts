import { readFile, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { execa } from 'execa';
import { hostPlatform, type Platform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import type { Command } from '../process/command.ts';
import { readLockedPackages } from './lockfile.ts';
import { pinnedFile } from './pinned-package.ts';
import type {
  BundledPackage,
  CompileRequest,
  PreparedToolchain,
  Toolchain,
  ToolchainContext,
} from './toolchain.ts';

interface BunPlatform {
  /** The package of the npm registry that holds Bun for the platform. */
  readonly package: string;
  /** The platform's name for `bun build --target`. */
  readonly target: string;
}

// The baseline build of x64 runs on processors without AVX2.
const PLATFORMS: Readonly<Record<string, BunPlatform>> = {
  'linux/amd64': { package: '@oven/bun-linux-x64-baseline', target: 'bun-linux-x64-baseline' },
  'linux/arm64': { package: '@oven/bun-linux-aarch64', target: 'bun-linux-arm64' },
};

const EXECUTABLE = 'bin/bun';

/**
 * The command that compiles one executable. The executable loads neither `.env` nor `bunfig.toml` from its
 * working directory. https://bun.com/docs/bundler/executables
 */
export function bunCommand(
  request: CompileRequest,
  compiler: string,
  runtime: string,
  metafile: string,
): Command {
  return {
    file: compiler,
    args: [
      'build',
      '--compile',
      '--minify',
      '--bytecode',
      '--format=esm',
      '--splitting',
      `--target=${platformOf(request.platform).target}`,
      `--compile-executable-path=${runtime}`,
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      '--no-compile-autoload-tsconfig',
      '--no-compile-autoload-package-json',
      '--env=disable',
      '--sourcemap=none',
      '--define',
      `process.env.RELEASE_VERSION=${JSON.stringify(request.version)}`,
      '--define',
      'process.env.NODE_ENV="production"',
      `--metafile=${metafile}`,
      `--outfile=${request.outfile}`,
      request.entry,
    ],
  };
}

/** Compiles TypeScript and JavaScript into single executables with the Bun that package-lock.json pins. */
export const bun: Toolchain = {
  name: 'bun',

  async prepare(context: ToolchainContext): Promise<PreparedToolchain> {
    const host = hostPlatform(process.platform, process.arch);
    if (host === undefined || PLATFORMS[host] === undefined) {
      throw new PrebuiltError(
        'TOOLCHAIN',
        `bun: the pinned compilers run on ${Object.keys(PLATFORMS).join(' and ')}, this machine is ${process.platform}/${process.arch}`,
        { hint: 'Build in a Linux container or virtual machine.' },
      );
    }
    const wanted = [...new Set([host, ...context.platforms])];
    const locked = await readLockedPackages(
      context.workspaceRoot,
      wanted.map((platform) => platformOf(platform).package),
    );
    const files = await Promise.all(
      locked.map((each) => pinnedFile(context.cacheFolder, each, EXECUTABLE, { progress: context.progress })),
    );
    const runtimes = new Map(
      wanted.map((platform, index) => {
        const [file, pin] = [files[index], locked[index]];
        if (file === undefined || pin === undefined) throw new Error(`no runtime for ${platform}`);
        return [platform, { file, pin }] as const;
      }),
    );
    const runtimeFor = (platform: Platform) => {
      const runtime = runtimes.get(platform);
      if (runtime === undefined) throw new Error(`${platform} was not prepared`);
      return runtime;
    };
    const compiler = runtimeFor(host);
    const checked = new Map<string, Promise<void>>();
    const check = (platform: Platform): Promise<void> => {
      const running = checked.get(platform) ?? runtimeFor(platform).file.check();
      checked.set(platform, running);
      return running;
    };
    return {
      version: compiler.pin.version,
      runtimeOf(platform) {
        const { name, version, integrity } = runtimeFor(platform).pin;
        return { package: name, version, integrity };
      },
      async compile(request) {
        const runtime = runtimeFor(request.platform).file.path;
        const metafile = `${request.outfile}.metafile.json`;
        const command = bunCommand(request, compiler.file.path, runtime, metafile);
        try {
          const [bundled] = await Promise.all([
            run(command, metafile, request, context),
            check(host),
            check(request.platform),
          ]);
          return bundled;
        } finally {
          await rm(metafile, { force: true });
        }
      },
    };
  },
};

async function run(
  command: Command,
  metafile: string,
  request: CompileRequest,
  context: ToolchainContext,
): Promise<readonly BundledPackage[]> {
  // Bun keeps temporary files in its working directory, and leaves them there when it is stopped.
  const cwd = dirname(request.outfile);
  const result = await execa(command.file, [...command.args], {
    cwd,
    env: compilerEnvironment(request.sourceDateEpoch),
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    reject: false,
    cancelSignal: context.signal,
    gracefulCancel: false,
  });
  context.signal.throwIfAborted();
  if (result.failed) {
    throw new PrebuiltError(
      'COMPILE_FAILED',
      `${request.platform}: ${result.shortMessage}\n${result.all}`.trimEnd(),
    );
  }
  return bundledPackages(JSON.parse(await readFile(metafile, 'utf8')), cwd);
}

// BUN_OPTIONS and its like would change what is compiled, so the compiler sees only what it needs.
function compilerEnvironment(sourceDateEpoch: number): Record<string, string> {
  const environment: Record<string, string> = {
    SOURCE_DATE_EPOCH: String(sourceDateEpoch),
    NO_COLOR: '1',
    // It holds the whole runtime in memory, twice: in huge pages, that takes a fraction of the page faults.
    MIMALLOC_ALLOW_THP: '1',
  };
  for (const name of ['PATH', 'HOME', 'TMPDIR']) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

async function bundledPackages(
  metafile: { readonly inputs?: Readonly<Record<string, unknown>> },
  cwd: string,
): Promise<readonly BundledPackage[]> {
  const folders = new Set<string>();
  for (const input of Object.keys(metafile.inputs ?? {})) {
    const folder = /^(.*(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (folder !== undefined) folders.add(folder);
  }
  const packages = await Promise.all(
    [...folders].map(async (folder) => {
      const { name, version } = JSON.parse(await readFile(resolve(cwd, folder, 'package.json'), 'utf8'));
      if (typeof name !== 'string' || typeof version !== 'string') {
        throw new PrebuiltError('COMPILE_FAILED', `${folder}/package.json: expected a name and a version`);
      }
      return { name, version };
    }),
  );
  const unique = new Map(packages.map((each) => [`${each.name}@${each.version}`, each]));
  return [...unique.keys()].sort().flatMap((key) => unique.get(key) ?? []);
}

function platformOf(platform: Platform): BunPlatform {
  const found = PLATFORMS[platform];
  if (found !== undefined) return found;
  throw new PrebuiltError(
    'TOOLCHAIN',
    `bun: expected one of ${Object.keys(PLATFORMS).join(', ')}, found ${platform}`,
  );
}
