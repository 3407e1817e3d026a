import { join } from 'node:path';
import * as v from 'valibot';
import { PLATFORMS, type Platform, parsePlatform } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { runCompiler } from '../process/compiler.ts';
import { executableName } from './executable-name.ts';
import { openFolder } from './folder.ts';
import { cgoEnvironment, cgoFacts } from './go/cgo.ts';
import { readGoFacts } from './go/environment.ts';
import {
  findMainPackages,
  type GoQuery,
  goEnvironment,
  type MainPackage,
  moduleFlags,
  readDependencies,
} from './go/packages.ts';
import { DEFAULT_VARIABLE, settableVariables } from './go/version-variable.ts';
import type { BuildContext, Component, PrepareContext, PreparedToolchain, Toolchain } from './toolchain.ts';

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));

const options = v.strictObject({
  folder: v.optional(
    v.pipe(
      text,
      v.description(
        'The folder to run Go in; go.mod may be in a parent folder. Defaults to the project’s folder',
      ),
    ),
    '.',
  ),
  package: v.optional(
    v.pipe(
      text,
      v.description(
        'The main package, such as "./cmd/server". Defaults to the only one, or the one in a folder with the program’s name',
      ),
    ),
  ),
  executables: v.optional(
    v.pipe(
      v.record(executableName, text),
      v.description('Additional executables of the program, as a map from name to main package'),
    ),
    {},
  ),
  version: v.optional(
    v.pipe(
      v.union([
        v.literal(false),
        v.pipe(
          v.string(),
          v.regex(/^[^\s='"]+\.[\p{L}_][\p{L}\p{Nd}_]*$/u, 'a variable such as "main.version"'),
        ),
      ]),
      v.description(
        'The string variable to set to the version; false for none. Defaults to main.version if it exists',
      ),
    ),
    DEFAULT_VARIABLE,
  ),
  tags: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^[\p{L}\p{Nd}_.]+$/u, 'a build tag'))),
      v.description('Build tags'),
    ),
    [],
  ),
  cgo: v.optional(
    v.pipe(
      v.boolean(),
      v.description(
        'Whether to enable cgo. It needs a C compiler for each platform, and libraries from the sysroot in the image',
      ),
    ),
    false,
  ),
  compilers: v.optional(
    v.pipe(
      v.record(v.string(), text),
      v.description(
        'With cgo, the C compiler for each platform, such as {"linux/arm64": "aarch64-linux-gnu-gcc"}. Defaults to the names that Debian uses',
      ),
    ),
    {},
  ),
});

type GoOptions = Readonly<v.InferOutput<typeof options>>;

/** Compiles with the installed Go: without cgo by default, and to the same bytes in any folder. */
export const go: Toolchain<GoOptions> = {
  name: 'go',
  options,
  platforms: PLATFORMS,
  detect: (folder) => (folder.has('go.mod') ? v.parse(options, {}) : undefined),
  fromProject: (configured, projectRoot) => ({ ...configured, folder: join(projectRoot, configured.folder) }),
  configure: (configured) => ({
    name: 'go',
    options: configured,
    dependsOn: [],
    others: Object.keys(configured.executables),
    isDynamic: configured.cgo,
    sysrootPackages: [],
    // keyFacts covers the sources: exactly the files that Go reads, wherever they are in the workspace.
    inputs: () => ['{projectRoot}/prebuilt.json'],
    keyFacts: (context) => readKeyFacts(configured, context),
    prepare: (context) => prepareGo(configured, context),
  }),
};

interface Program {
  readonly query: GoQuery;
  /** The program's own main package, then those of its other executables. */
  readonly packages: readonly MainPackage[];
}

async function openProgram(
  configured: GoOptions,
  { workspaceRoot, name, platforms }: BuildContext,
): Promise<Program> {
  const folder = await openFolder(workspaceRoot, configured.folder);
  const facts = await readGoFacts(folder, workspaceRoot);
  const query = { facts, folder, tags: configured.tags, cgo: configured.cgo };
  const found = await findMainPackages(query, platforms[0] ?? parsePlatform('linux/amd64'));
  const packages = [
    mainPackage(configured.package, name, found, folder),
    ...Object.values(configured.executables).map((path) => mainPackage(path, name, found, folder)),
  ];
  return { query, packages };
}

function mainPackage(
  wanted: string | undefined,
  name: string,
  found: readonly MainPackage[],
  folder: string,
): MainPackage {
  const listed = found.map(({ path }) => path).join(', ') || 'none';
  const [only, ...others] = found;
  if (only === undefined) {
    throw new PrebuiltError('TOOLCHAIN', `go: expected a main package in ${folder} or below, found none`, {
      hint: 'A main package starts with "package main" and has a func main.',
    });
  }
  if (wanted !== undefined) {
    const path = wanted.replace(/^\.\//, '').replace(/\/+$/, '');
    const own = found.find(
      (each) => each.path === wanted || each.path === `./${path}` || each.importPath === wanted,
    );
    if (own !== undefined) return own;
    throw new PrebuiltError(
      'TOOLCHAIN',
      `go: expected the main package ${wanted} in ${folder}, found ${listed}`,
      { hint: 'Use one of those in the toolchain’s "package" or "executables".' },
    );
  }
  if (others.length === 0) return only;
  const named = found.filter(({ path, importPath }) =>
    [path, importPath].some((each) => each.split('/').at(-1) === name),
  );
  if (named.length === 1 && named[0] !== undefined) return named[0];
  throw new PrebuiltError('TOOLCHAIN', `go: expected one main package, found ${listed}`, {
    hint: 'Set the toolchain’s "package" to the main one, and list the others to ship in "executables".',
  });
}

async function readKeyFacts(configured: GoOptions, context: BuildContext): Promise<unknown> {
  const { query, packages } = await openProgram(configured, context);
  const paths = packages.map(({ path }) => path);
  const [compilers, ...files] = await Promise.all([
    configured.cgo ? cgoFacts(configured.compilers, context.platforms) : null,
    ...context.platforms.map((platform) => readDependencies(query, platform, paths)),
  ]);
  return { version: query.facts.version, isVendored: query.facts.isVendored, packages, compilers, files };
}

async function prepareGo(configured: GoOptions, context: PrepareContext): Promise<PreparedToolchain> {
  const { query, packages } = await openProgram(configured, context);
  const [compilers, settable] = await Promise.all([
    configured.cgo ? cgoEnvironment(configured.compilers, context.platforms) : undefined,
    settableVariables(query, context.platforms, configured.version, packages),
  ]);
  for (const line of new Set([...settable.values()].flatMap(({ told }) => told))) context.progress(line);
  return {
    version: query.facts.version,
    async compile(request) {
      const { platform, version } = request;
      const outfiles = [request.outfile, ...request.others.map(({ outfile }) => outfile)];
      const env = { ...goEnvironment(query, platform), ...compilers?.get(platform) };
      for (const [index, main] of packages.entries()) {
        const isSettable = settable.get(platform)?.packages.includes(main) === true;
        const flags = isSettable ? [`-X=${configured.version}=${version}`] : [];
        const args = buildArguments(query, { main, outfile: outfiles[index] ?? '', flags });
        await runCompiler(
          { file: 'go', args },
          { cwd: query.folder, env, label: platform, signal: context.signal },
        ).catch((error) => explainFailure(error, query, platform, main));
      }
      const { withLicenses } = await import('./go/licenses.ts');
      return withLicenses(query.facts, await componentsOf(outfiles, platform));
    },
  };
}

// Runs only after a failure, so that a successful build needn't wait for it. Throws a more helpful error if it can.
async function explainFailure(
  error: unknown,
  query: GoQuery,
  platform: Platform,
  { path }: MainPackage,
): Promise<never> {
  if (error instanceof PrebuiltError && error.code === 'COMPILE_FAILED') {
    await readDependencies(query, platform, [path]);
  }
  throw error;
}

// These flags give the same bytes in any folder and at any commit: https://go.dev/blog/rebuild
function buildArguments(
  query: GoQuery,
  {
    main,
    outfile,
    flags,
  }: { readonly main: MainPackage; readonly outfile: string; readonly flags: readonly string[] },
): readonly string[] {
  return [
    'build',
    ...moduleFlags(query),
    '-trimpath',
    '-buildvcs=false',
    `-ldflags=${['-s', '-w', '-buildid=', ...flags].join(' ')}`,
    '-o',
    outfile,
    main.path,
  ];
}

async function componentsOf(files: readonly string[], platform: Platform): Promise<readonly Component[]> {
  const { embeddedComponents } = await import('./components/embedded.ts');
  const components = await embeddedComponents(files);
  if (components.length > 0) return components;
  throw new PrebuiltError(
    'COMPILE_FAILED',
    `${platform}: expected Go's build information in ${files.join(', ')}, found none`,
  );
}
