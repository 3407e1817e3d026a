import { readFile, rm, stat } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import * as v from 'valibot';
import { type Platform, parsePlatform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { type Lock, lacking } from '../lock/lock.ts';
import { type LockedPackage, lockedFile } from '../lock/npm-package.ts';
import type { Command } from '../process/command.ts';
import { environmentOf, MACHINE_VARIABLES, runCompiler } from '../process/compiler.ts';
import { type Host, hostName, thisHost } from '../process/host.ts';
import type {
  BuildContext,
  CompileRequest,
  Component,
  PrepareContext,
  PreparedToolchain,
  ProjectFolder,
  TargetInputs,
  Toolchain,
} from './toolchain.ts';

interface BunPlatform {
  /** The npm package that contains Bun for the platform. */
  readonly package: string;
  /** The platform's name for `bun build --target`. */
  readonly target: string;
}

// The x64 baseline build runs on processors without AVX2.
const RUNTIMES: Readonly<Record<string, BunPlatform>> = {
  'linux/amd64': { package: '@oven/bun-linux-x64-baseline', target: 'bun-linux-x64-baseline' },
  'linux/arm64': { package: '@oven/bun-linux-aarch64', target: 'bun-linux-arm64' },
};

// The compiler's npm package, by host.
const COMPILERS: Readonly<Record<string, string>> = {
  'linux/x64': '@oven/bun-linux-x64-baseline',
  'linux/arm64': '@oven/bun-linux-aarch64',
  'darwin/x64': '@oven/bun-darwin-x64',
  'darwin/arm64': '@oven/bun-darwin-aarch64',
};

const PLATFORMS: readonly Platform[] = Object.keys(RUNTIMES).map(parsePlatform);

const SOURCES = ['.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs', '.jsx'];

const options = v.strictObject({
  entry: v.pipe(
    v.optional(v.string(), ''),
    v.check(
      (path) => path !== '',
      'expected a TypeScript or JavaScript "bin" in package.json, a src/main.ts, or a value here such as "src/server.ts"; found none',
    ),
    v.check(
      (path) => path === '' || SOURCES.includes(extname(path)),
      ({ input }) =>
        `expected a JavaScript or TypeScript file (${SOURCES.join(', ')}), found ${JSON.stringify(input)}: Bun would embed it as text in an executable that does nothing`,
    ),
    v.description("The program's main file, a JavaScript or TypeScript file"),
  ),
});

type BunOptions = Readonly<v.InferOutput<typeof options>>;

/** The file in Bun's packages that serves as both compiler and runtime. */
export const BUN_EXECUTABLE = 'bin/bun';

/** Every npm package that a lock pins for Bun, sorted. */
export const BUN_PACKAGES: readonly string[] = [
  ...new Set([...Object.values(RUNTIMES).map((runtime) => runtime.package), ...Object.values(COMPILERS)]),
].sort();

/** The packages that a build on this machine needs for the platforms: the compiler's and each runtime's. */
export function bunPackagesFor(platforms: readonly Platform[], host: Host = thisHost()): readonly string[] {
  const compiler = COMPILERS[hostName(host)];
  const runtimes = platforms.flatMap((platform) => RUNTIMES[platform]?.package ?? []);
  return [...new Set([...(compiler === undefined ? [] : [compiler]), ...runtimes])];
}

/**
 * The command that compiles one executable. The executable loads neither `.env` nor `bunfig.toml` from its
 * working directory. https://bun.com/docs/bundler/executables
 */
export function bunCommand(
  request: Pick<CompileRequest, 'platform' | 'version' | 'outfile'>,
  entry: string,
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
      `--target=${runtimeOf(request.platform).target}`,
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
      entry,
    ],
  };
}

/** Compiles TypeScript and JavaScript into single-file executables with the Bun that prebuilt.lock.json pins. */
export const bun: Toolchain<BunOptions> = {
  name: 'bun',
  options,
  platforms: PLATFORMS,
  detect: detectEntry,
  fromProject: ({ entry }, projectRoot) => ({ entry: join(projectRoot, entry) }),
  configure: ({ entry }) => ({
    name: 'bun',
    options: { entry },
    dependsOn: [],
    others: [],
    isDynamic: true,
    sysrootPackages: [],
    inputs: productionInputs,
    async keyFacts({ lock, platforms }) {
      // The same Bun version produces the same executable on every host, so the host isn't part of the key.
      return platforms.map((platform) => lockedPackage(lock, runtimeOf(platform).package));
    },
    prepare: (context) => prepareBun(entry, context),
  }),
};

// The first command that `npm install` would link, or else one of the usual entry points.
function detectEntry(folder: ProjectFolder): BunOptions | undefined {
  const text = folder.read('package.json');
  let bin: unknown;
  try {
    bin = text === undefined ? undefined : JSON.parse(text)?.bin;
  } catch {
    bin = undefined;
  }
  const commands = typeof bin === 'object' && bin !== null ? Object.values(bin) : [bin];
  const usual = ['src/main.ts', 'src/index.ts', 'main.ts', 'index.ts'];
  const entry = [...commands, ...usual].find(
    (path): path is string =>
      typeof path === 'string' && SOURCES.includes(extname(path)) && folder.has(join('.', path)),
  );
  return entry === undefined ? undefined : { entry: join('.', entry) };
}

/** The `production` input of the project and its dependencies, or `default` if the workspace doesn't define it. */
function productionInputs(namedInputs: ReadonlySet<string>): TargetInputs {
  const name = namedInputs.has('production') ? 'production' : 'default';
  return [name, `^${name}`];
}

async function prepareBun(entry: string, context: PrepareContext): Promise<PreparedToolchain> {
  const machine = hostName(thisHost());
  const compilerPackage = COMPILERS[machine];
  if (compilerPackage === undefined) {
    throw new PrebuiltError(
      'TOOLCHAIN',
      `bun: expected a machine with one of ${Object.keys(COMPILERS).join(', ')}, found ${machine}`,
      { hint: 'Build in a Linux container or virtual machine.' },
    );
  }
  const main = await resolveEntry(entry, context);
  const names = [...new Set([compilerPackage, ...context.platforms.map((each) => runtimeOf(each).package)])];
  const locked = names.map((name) => lockedPackage(context.lock, name));
  const files = await Promise.all(
    locked.map((each) =>
      lockedFile(context.cacheFolder, each, BUN_EXECUTABLE, { progress: context.progress }),
    ),
  );
  const fileOf = (name: string): string => files[names.indexOf(name)] as string;
  const compiler = fileOf(compilerPackage);
  return {
    version: lockedPackage(context.lock, compilerPackage).version,
    async compile(request) {
      const { package: name } = runtimeOf(request.platform);
      const metafile = `${request.outfile}.metafile.json`;
      try {
        const bundled = await run(
          bunCommand(request, main, compiler, fileOf(name), metafile),
          metafile,
          request,
          context,
        );
        return [...bundled, await runtimeComponent(lockedPackage(context.lock, name))];
      } finally {
        await rm(metafile, { force: true });
      }
    },
  };
}

async function resolveEntry(entry: string, { workspaceRoot }: BuildContext): Promise<string> {
  const path = resolve(workspaceRoot, entry);
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return path;
  throw new PrebuiltError(
    'INVALID_OPTIONS',
    `toolchain.entry: expected a file, found ${found === undefined ? 'none' : 'something else'} at ${path}`,
    {
      hint: 'Set the toolchain’s "entry" to the program’s main file, relative to the folder of prebuilt.json.',
    },
  );
}

function lockedPackage(lock: Lock, name: string): LockedPackage {
  const pin = lock.bun?.packages[name];
  if (lock.bun === undefined || pin === undefined) throw lacking(`Bun's package ${name}`);
  return { name, version: lock.bun.version, ...pin };
}

// As declared in Bun's own packages.
const BUN_LICENSE = 'MIT';

async function runtimeComponent({ name, version, integrity }: LockedPackage): Promise<Component> {
  return { kind: 'framework', purl: await npmPurl(name, version), license: BUN_LICENSE, integrity };
}

async function npmPurl(fullName: string, version: string): Promise<string> {
  const { PackageURL } = await import('packageurl-js');
  const [scope, name] = fullName.startsWith('@') ? fullName.split('/', 2) : [undefined, fullName];
  return new PackageURL('npm', scope, name ?? fullName, version, undefined, undefined).toString();
}

async function run(
  command: Command,
  metafile: string,
  request: CompileRequest,
  context: PrepareContext,
): Promise<readonly Component[]> {
  // Bun writes temporary files to its working directory and leaves them behind when it is stopped.
  const cwd = dirname(request.outfile);
  const { sourceDateEpoch, platform } = request;
  const { signal } = context;
  await runCompiler(command, { cwd, env: compilerEnvironment(sourceDateEpoch), label: platform, signal });
  return bundledComponents(JSON.parse(await readFile(metafile, 'utf8')), cwd);
}

// Variables such as BUN_OPTIONS would change the output, so the compiler gets only what it needs.
function compilerEnvironment(sourceDateEpoch: number): Record<string, string> {
  return {
    ...environmentOf(MACHINE_VARIABLES),
    SOURCE_DATE_EPOCH: String(sourceDateEpoch),
    NO_COLOR: '1',
    // Bun keeps two copies of the runtime in memory. Huge pages cut the page faults to a fraction.
    MIMALLOC_ALLOW_THP: '1',
  };
}

async function bundledComponents(
  metafile: { readonly inputs?: Readonly<Record<string, unknown>> },
  cwd: string,
): Promise<readonly Component[]> {
  const folders = new Set<string>();
  for (const input of Object.keys(metafile.inputs ?? {})) {
    const folder = /^(.*(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (folder !== undefined) folders.add(folder);
  }
  const packages = await Promise.all(
    [...folders].map(async (folder) => {
      const { name, version, license } = JSON.parse(
        await readFile(resolve(cwd, folder, 'package.json'), 'utf8'),
      );
      if (typeof name !== 'string' || typeof version !== 'string') {
        throw new PrebuiltError('COMPILE_FAILED', `${folder}/package.json: expected a name and a version`);
      }
      const purl = await npmPurl(name, version);
      return { kind: 'library', purl, ...(typeof license === 'string' ? { license } : {}) } as const;
    }),
  );
  const unique = new Map(packages.map((each) => [each.purl, each]));
  return [...unique.keys()].sort().flatMap((key) => unique.get(key) ?? []);
}

function runtimeOf(platform: Platform): BunPlatform {
  const found = RUNTIMES[platform];
  if (found !== undefined) return found;
  throw new PrebuiltError(
    'INVALID_PLATFORM',
    `bun: expected one of ${PLATFORMS.join(', ')}, found ${platform}`,
    { hint: 'In prebuilt.json, limit "platforms" to those that Bun has a runtime for.' },
  );
}
