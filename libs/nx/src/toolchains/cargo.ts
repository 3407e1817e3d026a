import { createHash } from 'node:crypto';
import { copyFile, readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import * as v from 'valibot';
import { PLATFORMS } from '../artifacts/platform.ts';
import { PrebuiltError } from '../errors.ts';
import { sha256OfFile } from '../files/hash.ts';
import { CACHE_FOLDER } from '../lock/lock.ts';
import { runCompiler } from '../process/compiler.ts';
import { type RustFacts, readRustFacts } from './cargo/environment.ts';
import { linkerFacts } from './cargo/linkers.ts';
import { chooseTargets, type RustTarget } from './cargo/targets.ts';
import {
  type CargoBin,
  type CargoWorkspace,
  crateFiles,
  crateFolders,
  readCargoWorkspace,
} from './cargo/workspace.ts';
import { executableName } from './executable-name.ts';
import { openFolder } from './folder.ts';
import type {
  BuildContext,
  CompileRequest,
  PrepareContext,
  PreparedToolchain,
  Toolchain,
} from './toolchain.ts';

/** The environment variable that holds the version by default. */
const DEFAULT_VARIABLE = 'RELEASE_VERSION';

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));
const word = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_][A-Za-z0-9_.+/-]*$/, 'a name'));

const options = v.strictObject({
  folder: v.optional(
    v.pipe(text, v.description('The folder that contains Cargo.toml. Defaults to the project’s folder')),
    '.',
  ),
  bin: v.optional(
    v.pipe(
      word,
      v.description(
        'The binary to compile. Defaults to the only one, the package’s default-run, or the one with the program’s name',
      ),
    ),
  ),
  executables: v.optional(
    v.pipe(
      v.record(executableName, word),
      v.description('Additional executables of the program, as a map from name to binary'),
    ),
    {},
  ),
  version: v.optional(
    v.pipe(
      v.union([
        v.literal(false),
        v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'an environment variable')),
      ]),
      v.description(
        'The environment variable that holds the version during compilation, for env!(…) and option_env!(…); false for none. Defaults to RELEASE_VERSION',
      ),
    ),
    DEFAULT_VARIABLE,
  ),
  features: v.optional(v.pipe(v.array(word), v.description('Cargo features to enable')), []),
  defaultFeatures: v.optional(
    v.pipe(v.boolean(), v.description('Whether to enable the default features')),
    true,
  ),
  profile: v.optional(v.pipe(word, v.description('The Cargo profile to build with')), 'release'),
  targets: v.optional(
    v.pipe(
      v.record(v.string(), word),
      v.description(
        'The Rust target for each platform, such as {"linux/amd64": "x86_64-unknown-linux-gnu"}. Defaults to musl if its standard library is installed, otherwise glibc',
      ),
    ),
    {},
  ),
  linkers: v.optional(
    v.pipe(
      v.record(v.string(), text),
      v.description(
        'The linker for each platform, such as {"linux/arm64": "aarch64-linux-gnu-gcc"}. Defaults to the names that Debian uses',
      ),
    ),
    {},
  ),
  zigbuild: v.optional(
    v.pipe(v.boolean(), v.description('Whether to compile with cargo-zigbuild, which needs no cross linker')),
    false,
  ),
});

type CargoOptions = Readonly<v.InferOutput<typeof options>>;

/** Compiles Rust with the installed cargo and the exact versions in Cargo.lock, all platforms in one run. */
export const cargo: Toolchain<CargoOptions> = {
  name: 'cargo',
  options,
  platforms: PLATFORMS,
  detect: (folder) => (folder.has('Cargo.toml') ? v.parse(options, {}) : undefined),
  fromProject: (configured, projectRoot) => ({ ...configured, folder: join(projectRoot, configured.folder) }),
  configure: (configured) => ({
    name: 'cargo',
    options: configured,
    dependsOn: [],
    others: Object.keys(configured.executables),
    isDynamic: true,
    // Executables that link glibc need it to unwind panics.
    sysrootPackages: ['libgcc-s1'],
    inputs(namedInputs) {
      const name = namedInputs.has('production') ? 'production' : 'default';
      return [name, `^${name}`];
    },
    keyFacts: (context) => readKeyFacts(configured, context),
    prepare: (context) => prepareCargo(configured, context),
  }),
};

interface Program {
  readonly rust: RustFacts;
  readonly folder: string;
  readonly workspace: CargoWorkspace;
  readonly targets: readonly RustTarget[];
  /** The linkers with their versions. */
  readonly linkers: readonly string[];
  /** The program's own binary, then those of its other executables. */
  readonly bins: readonly CargoBin[];
}

async function openProgram(
  configured: CargoOptions,
  { workspaceRoot, name, platforms }: BuildContext,
): Promise<Program> {
  const folder = await openFolder(workspaceRoot, configured.folder);
  const rust = await readRustFacts(folder);
  const [workspace, targets] = await Promise.all([
    readCargoWorkspace(rust, folder),
    chooseTargets(rust, platforms, configured),
  ]);
  const bins = [
    chooseBin(configured.bin, name, workspace),
    ...Object.values(configured.executables).map((bin) => chooseBin(bin, name, workspace)),
  ];
  const linkers = await linkerFacts(rust, targets, configured.zigbuild);
  return { rust, folder, workspace, targets, linkers, bins };
}

function chooseBin(
  wanted: string | undefined,
  name: string,
  { root, bins, defaultBin }: CargoWorkspace,
): CargoBin {
  const listed = bins.map(({ bin }) => bin).join(', ') || 'none';
  const [only, ...others] = bins;
  if (only === undefined) {
    throw new PrebuiltError('TOOLCHAIN', `cargo: expected a package with a binary in ${root}, found none`, {
      hint: 'A binary is src/main.rs, a file in src/bin, or a [[bin]] in Cargo.toml.',
    });
  }
  if (wanted === undefined && others.length === 0) return only;
  const named = bins.filter(({ bin }) => bin === (wanted ?? defaultBin ?? name));
  if (named.length === 1 && named[0] !== undefined) return named[0];
  if (wanted !== undefined) {
    throw new PrebuiltError('TOOLCHAIN', `cargo: expected the binary ${wanted} in ${root}, found ${listed}`, {
      hint: 'Use one of those in the toolchain’s "bin" or "executables".',
    });
  }
  throw new PrebuiltError('TOOLCHAIN', `cargo: expected one binary in ${root}, found ${listed}`, {
    hint: 'Set the toolchain’s "bin" to the main one, and list the others to ship in "executables".',
  });
}

// Cargo.lock pins the content of every fetched crate; for local crates, cargo lists the files.
async function readKeyFacts(configured: CargoOptions, context: BuildContext): Promise<unknown> {
  const { rust, folder, workspace, targets, linkers, bins } = await openProgram(configured, context);
  const packages = [...new Set(bins.map((bin) => bin.package))];
  const crates = await crateFolders(rust, workspace, packages);
  const listing = join(context.workspaceRoot, CACHE_FOLDER, 'cargo/listing');
  const files = await Promise.all(
    crates.map(async (crate) => (await crateFiles(rust, crate, listing)).map((file) => join(crate, file))),
  );
  const settings = settingsAbove(folder, context.workspaceRoot, rust.cargoHome);
  const all = [
    join(workspace.root, 'Cargo.lock'),
    join(workspace.root, 'Cargo.toml'),
    ...settings,
    ...files.flat(),
  ];
  const hashes = [...new Set(all)].sort().map(async (file) => {
    const sha256 = await sha256OfFile(file).catch(() => null);
    return sha256 === null ? [] : [`${relative(context.workspaceRoot, file)} ${sha256}`];
  });
  return { rust: rust.verbose, targets, linkers, bins, files: (await Promise.all(hashes)).flat() };
}

// https://doc.rust-lang.org/cargo/reference/config.html#hierarchical-structure
function settingsAbove(folder: string, workspaceRoot: string, cargoHome: string): readonly string[] {
  const names = ['.cargo/config.toml', '.cargo/config', 'rust-toolchain.toml', 'rust-toolchain'];
  const folders = [folder];
  while (folders.at(-1) !== workspaceRoot && folders.at(-1) !== dirname(folders.at(-1) ?? '/')) {
    folders.push(dirname(folders.at(-1) ?? '/'));
  }
  const above = folders.flatMap((each) => names.map((name) => join(each, name)));
  return [...above, join(cargoHome, 'config.toml'), join(cargoHome, 'config')];
}

async function prepareCargo(configured: CargoOptions, context: PrepareContext): Promise<PreparedToolchain> {
  const program = await openProgram(configured, context);
  const { rust, folder, workspace, targets, bins } = program;
  await readFile(join(workspace.root, 'Cargo.lock')).catch(() => {
    throw new PrebuiltError(
      'TOOLCHAIN',
      `cargo: expected ${join(workspace.root, 'Cargo.lock')}, found none`,
      {
        hint: 'Create and commit it: cargo generate-lockfile',
      },
    );
  });
  // A folder per program: another program of the same cargo workspace may compile the same binary differently while
  // this one is copied, and its dependency files would count as this one's.
  const id = createHash('sha256')
    .update(JSON.stringify([relative(context.workspaceRoot, folder), context.name]))
    .digest('hex');
  const targetFolder = join(context.cacheFolder, 'cargo', id.slice(0, 16));
  let building: Promise<unknown> | undefined;
  const packages = [...new Set(bins.map((bin) => bin.package))];
  const features = featureFlags(configured);
  return {
    version: rust.version,
    async compile(request) {
      const { version: variable } = configured;
      building ??= runCompiler(
        { file: 'cargo', args: buildArguments(configured, program, packages, targetFolder, context) },
        {
          cwd: folder,
          env: {
            ...rust.environment,
            SOURCE_DATE_EPOCH: String(request.sourceDateEpoch),
            ...(variable !== false && { [variable]: request.version }),
          },
          label: 'cargo',
          signal: context.signal,
        },
      )
        .catch(namingLinker)
        .then(() => checkVersion(configured, request, targets, targetFolder, context));
      await building;
      const triple = targets.find(({ platform }) => platform === request.platform)?.triple ?? '';
      const outfiles = [request.outfile, ...request.others.map(({ outfile }) => outfile)];
      for (const [index, { bin }] of bins.entries()) {
        await copyFile(join(targetFolder, triple, profileFolder(configured), bin), outfiles[index] ?? '');
      }
      const { readCrates } = await import('./cargo/crates.ts');
      return [
        { kind: 'framework', purl: `pkg:generic/rust@${rust.version}`, license: 'MIT OR Apache-2.0' },
        ...(await readCrates(rust, { folder, packages, triple, features })),
      ];
    },
  };
}

// Even Rust's default linker may be missing, not just a cross linker.
function namingLinker(error: unknown): never {
  const linker =
    error instanceof PrebuiltError && /^error: linker `(.*)` not found$/m.exec(error.message)?.[1];
  if (!linker) throw error;
  throw new PrebuiltError('TOOLCHAIN', `cargo: expected the linker ${linker}, found none`, {
    hint: 'Install it (Debian: gcc), or set another in the toolchain\'s "linkers".',
    cause: error,
  });
}

function buildArguments(
  configured: CargoOptions,
  { rust, targets, bins }: Program,
  packages: readonly string[],
  targetFolder: string,
  { workspaceRoot }: PrepareContext,
): readonly string[] {
  // Keep this machine's paths out of executables. When several prefixes match, the last one wins.
  const flags = [
    [workspaceRoot, '/workspace'],
    [rust.cargoHome, '/cargo'],
    [join(rust.sysroot, 'lib/rustlib/src/rust'), `/rustc/${rust.commit}`],
  ].map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
  return [
    configured.zigbuild ? 'zigbuild' : 'build',
    '--locked',
    `--profile=${configured.profile}`,
    `--target-dir=${targetFolder}`,
    ...packages.map((name) => `--package=${name}`),
    ...bins.map(({ bin }) => `--bin=${bin}`),
    ...featureFlags(configured),
    ...targets.flatMap(({ triple, linker }) => [
      `--target=${triple}`,
      `--config=target.${triple}.rustflags=${JSON.stringify(flags)}`,
      ...(linker === undefined ? [] : [`--config=target.${triple}.linker=${JSON.stringify(linker)}`]),
    ]),
  ];
}

function featureFlags({ features, defaultFeatures }: CargoOptions): readonly string[] {
  return [
    ...(features.length === 0 ? [] : [`--features=${features.join(',')}`]),
    ...(defaultFeatures ? [] : ['--no-default-features']),
  ];
}

// https://doc.rust-lang.org/cargo/guide/build-cache.html
function profileFolder({ profile }: CargoOptions): string {
  return profile === 'dev' ? 'debug' : profile;
}

// The compiler's dependency files record each environment variable that the sources read, with its value.
async function checkVersion(
  configured: CargoOptions,
  { version }: CompileRequest,
  targets: readonly RustTarget[],
  targetFolder: string,
  { progress }: PrepareContext,
): Promise<void> {
  if (configured.version === false) return;
  const folder = join(targetFolder, targets[0]?.triple ?? '', profileFolder(configured), 'deps');
  const notes = (await readdir(folder)).filter((name) => name.endsWith('.d'));
  const wanted = `# env-dep:${configured.version}=${version}\n`;
  for (const name of notes) {
    if (`${await readFile(join(folder, name), 'utf8')}\n`.includes(wanted)) return;
  }
  if (configured.version !== DEFAULT_VARIABLE) {
    throw new PrebuiltError(
      'TOOLCHAIN',
      `cargo: expected a source file that reads ${configured.version}, found none`,
      { hint: `Read it: env!(${JSON.stringify(configured.version)}), or set {"version": false}.` },
    );
  }
  progress(`cargo: no source file reads ${configured.version}: the executable won’t know its version`);
}
