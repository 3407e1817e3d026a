import { dirname, isAbsolute, join, relative } from 'node:path';
import type { Platform } from '../../artifacts/platform.ts';
import { PrebuiltError } from '../../errors.ts';
import { sha256OfFile } from '../../files/hash.ts';
import { commandOutput } from '../../process/command-output.ts';
import { missingTool } from '../../process/compiler.ts';
import { type GoFacts, goPlatform, isAtLeast } from './environment.ts';

/** The settings for reading a program's packages. */
export interface GoQuery {
  readonly facts: GoFacts;
  /** The absolute path of the folder to run Go in. */
  readonly folder: string;
  readonly tags: readonly string[];
  readonly cgo: boolean;
}

/** A main package. */
export interface MainPackage {
  readonly importPath: string;
  /** The argument for `go build`, relative to the folder: `./cmd/server`. */
  readonly path: string;
}

interface ListedPackage {
  readonly ImportPath: string;
  readonly Dir?: string;
  readonly Name?: string;
  readonly Standard?: boolean;
  readonly CgoFiles?: readonly string[];
  /** Files excluded by build constraints. */
  readonly IgnoredGoFiles?: readonly string[];
  readonly Module?: GoListModule;
  readonly Error?: { readonly Err: string };
  readonly [files: string]: unknown;
}

interface GoListModule {
  readonly Path: string;
  readonly Version?: string;
  /** The absolute path of its go.mod. */
  readonly GoMod?: string;
  readonly GoVersion?: string;
  readonly Replace?: GoListModule;
}

// All files of a package that `go build` reads.
const FILES = [
  'GoFiles',
  'CgoFiles',
  'CFiles',
  'CXXFiles',
  'MFiles',
  'HFiles',
  'FFiles',
  'SFiles',
  'SwigFiles',
  'SwigCXXFiles',
  'SysoFiles',
  'EmbedFiles',
] as const;

/**
 * The main packages in the folder and below. Throws `TOOLCHAIN` if `go list` can't read a module, or if Go is older
 * than go.mod requires.
 */
export async function findMainPackages(query: GoQuery, platform: Platform): Promise<readonly MainPackage[]> {
  // With cgo on, a main package that only has cgo files is listed, too; refuseBroken reports that it needs cgo.
  const packages = await list({ ...query, cgo: true }, platform, [
    '-e',
    '-json=ImportPath,Dir,Name,Module',
    './...',
  ]);
  for (const { Module } of packages) checkGoVersion(query.facts, Module);
  return packages.flatMap(({ Name, ImportPath, Dir }) => {
    if (Name !== 'main' || Dir === undefined) return [];
    const inner = relative(query.folder, Dir);
    return [{ importPath: ImportPath, path: inner === '' ? '.' : `./${inner}` }];
  });
}

/**
 * Everything the packages are compiled from: the hashes of workspace files, and the versions of fetched modules, whose
 * content go.sum pins. Includes the files that configure the build: the go.mod of each module in the workspace (which
 * sets the language version), go.sum, go.work, vendor/modules.txt and a main package's profile. Throws `TOOLCHAIN` for
 * packages that can't be compiled: missing ones, ones that aren't main, and ones that need cgo.
 */
export async function readDependencies(
  query: GoQuery,
  platform: Platform,
  packages: readonly string[],
): Promise<readonly string[]> {
  const fields = [
    'ImportPath',
    'Dir',
    'Name',
    'Standard',
    'Module',
    'Error',
    'IgnoredGoFiles',
    ...FILES,
  ].join(',');
  const listed = await list(query, platform, ['-e', '-deps', `-json=${fields}`, ...packages]);
  await refuseBroken(query, platform, listed);
  const own = listed.filter(({ Standard }) => Standard !== true);
  const lines = own.map(async (each): Promise<readonly string[]> => {
    const { Dir = '', Module } = each;
    const compiled = Module?.Replace ?? Module;
    if (compiled?.Version !== undefined && isInside(query.facts.moduleCache, Dir)) {
      return [`${compiled.Path}@${compiled.Version}`];
    }
    const names = FILES.flatMap((kind) => (each[kind] as readonly string[] | undefined) ?? []);
    const hashes = names.map(async (name) => `${name} ${await sha256OfFile(join(Dir, name))}`);
    return (await Promise.all(hashes)).map((line) => `${each.ImportPath} ${line}`);
  });
  const all = await Promise.all([...lines, readSettings(query, own)]);
  return [...new Set(all.flat())].sort();
}

// https://go.dev/ref/mod#go-mod-file-go, https://go.dev/doc/pgo#building
async function readSettings(
  { facts: { goMod, goWork, moduleCache } }: GoQuery,
  packages: readonly ListedPackage[],
): Promise<readonly string[]> {
  const modules = packages.flatMap(({ Module }) => (Module?.Replace ?? Module)?.GoMod ?? []);
  const profiles = packages.flatMap(({ Name, Dir }) =>
    Name === 'main' && Dir !== undefined ? [join(Dir, 'default.pgo')] : [],
  );
  const main = goWork ?? goMod;
  const sums = [goMod.replace(/\.mod$/, '.sum'), ...(goWork === undefined ? [] : [goWork, `${goWork}.sum`])];
  const vendored = join(dirname(main), 'vendor/modules.txt');
  const files = [goMod, ...modules, ...sums, vendored, ...profiles].filter(
    (file) => !isInside(moduleCache, file),
  );
  const hashes = [...new Set(files)].map(async (file) => {
    const sha256 = await sha256OfFile(file).catch(() => null);
    // Relative, since every clone is in a different folder.
    return sha256 === null ? [] : [`${relative(dirname(main), file)} ${sha256}`];
  });
  return (await Promise.all(hashes)).flat();
}

async function refuseBroken(
  query: GoQuery,
  platform: Platform,
  listed: readonly ListedPackage[],
): Promise<void> {
  for (const { Module } of listed) checkGoVersion(query.facts, Module);
  const broken = listed.find((each) => each.Error !== undefined);
  if (broken === undefined) return;
  const ignored = broken.IgnoredGoFiles ?? [];
  const message =
    ignored.length > 0
      ? `expected files for that platform, found only ${ignored.slice(0, 5).join(', ')}`
      : (broken.Error?.Err.replaceAll(/\s+/g, ' ').trim() ?? '');
  if (!query.cgo) {
    const [withCgo] = await list({ ...query, cgo: true }, platform, [
      '-e',
      '-json=ImportPath,CgoFiles,Error',
      broken.ImportPath,
    ]);
    if (withCgo?.Error === undefined && (withCgo?.CgoFiles ?? []).length > 0) {
      throw new PrebuiltError(
        'TOOLCHAIN',
        `go: ${broken.ImportPath}: needs cgo on ${platform}, but cgo is off`,
        {
          hint: 'Turn it on: {"toolchain": {"name": "go", "cgo": true}}. This needs a C compiler for each platform.',
        },
      );
    }
  }
  const { GOARCH } = goPlatform(platform);
  const settings = `GOOS=linux GOARCH=${GOARCH} CGO_ENABLED=${query.cgo ? '1' : '0'}`;
  throw new PrebuiltError('TOOLCHAIN', `go: ${broken.ImportPath} on ${platform}: ${message}`, {
    hint: `Run it yourself until it works: cd ${query.folder} && ${settings} go build ./... (\`go mod tidy\` adds missing lines to go.mod and go.sum)`,
  });
}

// An older Go would try anyway and fail halfway through.
function checkGoVersion({ version }: GoFacts, module: GoListModule | undefined): void {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(module?.GoVersion ?? '') ?? [];
  if (module === undefined || major === undefined) return;
  if (isAtLeast(version, [Number(major), Number(minor)])) return;
  throw new PrebuiltError(
    'TOOLCHAIN',
    `go: ${module.Path}: go.mod requires Go ${module.GoVersion}, found ${version}`,
    { hint: 'Install a newer Go: https://go.dev/doc/install' },
  );
}

async function list(
  query: GoQuery,
  platform: Platform,
  args: readonly string[],
): Promise<readonly ListedPackage[]> {
  const answer = await commandOutput('go', ['list', ...moduleFlags(query), ...args], {
    cwd: query.folder,
    env: goEnvironment(query, platform),
  });
  if (answer.missing) throw missingTool('go');
  if (!answer.ok) {
    throw new PrebuiltError('TOOLCHAIN', `go list: ${answer.text}`, {
      hint: 'If go.mod or go.sum lacks a line, run `go mod tidy` in the module’s folder.',
    });
  }
  // The output is one object after another, without commas in between.
  return JSON.parse(`[${answer.text.replaceAll(/^\}\n\{$/gm, '},{')}]`);
}

/** Module flags: use exactly the versions in go.mod and go.sum, from a vendor folder if there is one. */
export function moduleFlags({ facts, tags }: GoQuery): readonly string[] {
  return [
    facts.isVendored ? '-mod=vendor' : '-mod=readonly',
    ...(tags.length === 0 ? [] : [`-tags=${tags.join(',')}`]),
  ];
}

/** The environment for running Go for a platform. */
export function goEnvironment(query: GoQuery, platform: Platform): Readonly<Record<string, string>> {
  return { ...query.facts.environment, ...goPlatform(platform), CGO_ENABLED: query.cgo ? '1' : '0' };
}

function isInside(root: string, path: string): boolean {
  const inner = relative(root, path);
  return inner !== '' && !inner.startsWith('..') && !isAbsolute(inner);
}
