import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import type { RustFacts } from './environment.ts';
import { localPackages } from './lockfile.ts';

/** A package's binary target. */
export interface CargoBin {
  readonly package: string;
  readonly bin: string;
}

/** A cargo workspace, as far as it can be read without fetching anything. Paths are absolute. */
export interface CargoWorkspace {
  /** The folder that contains Cargo.lock. */
  readonly root: string;
  /** The binary targets of the folder's package, or of all members if the folder isn't a package. */
  readonly bins: readonly CargoBin[];
  /** The binary that `cargo run` uses, if the package declares one. */
  readonly defaultBin: string | undefined;
  /** The folder of each package in the workspace, by `name@version`. */
  readonly folders: ReadonlyMap<string, string>;
}

interface MetadataPackage {
  readonly name: string;
  readonly version: string;
  readonly manifest_path: string;
  readonly default_run: string | null;
  readonly targets: readonly { readonly name: string; readonly kind: readonly string[] }[];
}

/** Reads a folder's cargo workspace. Throws `TOOLCHAIN` if there is no readable Cargo.toml. */
export async function readCargoWorkspace(rust: RustFacts, folder: string): Promise<CargoWorkspace> {
  const args = ['metadata', '--no-deps', '--offline', '--format-version=1'];
  const answer = await commandOutput('cargo', args, { cwd: folder, env: rust.environment });
  if (!answer.ok) {
    throw new PrebuiltError(
      'TOOLCHAIN',
      `cargo metadata in ${folder}: ${answer.text.replace(/^error: /, '')}`,
      { hint: `Run it yourself until it works: cd ${folder} && cargo metadata --no-deps` },
    );
  }
  const { packages, workspace_root: root }: { packages: readonly MetadataPackage[]; workspace_root: string } =
    JSON.parse(answer.text);
  const own = packages.find((each) => each.manifest_path === join(folder, 'Cargo.toml'));
  return {
    root,
    bins: (own === undefined ? packages : [own]).flatMap((each) =>
      each.targets
        .filter(({ kind }) => kind.includes('bin'))
        .map(({ name }) => ({ package: each.name, bin: name })),
    ),
    defaultBin: own?.default_run ?? undefined,
    folders: new Map(packages.map((each) => [`${each.name}@${each.version}`, dirname(each.manifest_path)])),
  };
}

/**
 * The folders of the named packages and of all local packages that they depend on, inside or outside the workspace,
 * including those from `[patch]`. Sorted. Fetches nothing. Throws `TOOLCHAIN`.
 */
export async function crateFolders(
  rust: RustFacts,
  { root, folders }: CargoWorkspace,
  names: readonly string[],
): Promise<readonly string[]> {
  const lock = await readFile(join(root, 'Cargo.lock'), 'utf8').catch(() => '');
  const own = [...folders].filter(([id]) => names.some((name) => id.startsWith(`${name}@`)));
  const local = localPackages(lock, names).map(async ({ name, version }) => {
    const id = `${name}@${version}`;
    return folders.get(id) ?? packageFolder(rust, root, id);
  });
  return [...new Set([...own.map(([, folder]) => folder), ...(await Promise.all(local))])].sort();
}

// `path+file:///folder#name@1.0.0`; cargo before 1.77 omits `path+`.
// https://doc.rust-lang.org/cargo/reference/pkgid-spec.html
async function packageFolder(rust: RustFacts, root: string, id: string): Promise<string> {
  const args = ['pkgid', '--offline', '--locked', id];
  const answer = await commandOutput('cargo', args, { cwd: root, env: rust.environment });
  const [, url] = /^(?:path\+)?(file:\/\/[^#?]*)[#?]/.exec(answer.text) ?? [];
  if (answer.ok && url !== undefined) return fileURLToPath(url);
  throw new PrebuiltError(
    'TOOLCHAIN',
    `cargo pkgid ${id} in ${root}: ${answer.text.replace(/^error: /, '')}`,
    {
      hint: 'Cargo.lock may be out of date: run `cargo update --workspace` and commit the changes.',
    },
  );
}

/**
 * The files of a crate by cargo's own rules, relative to its folder. Cargo creates a target folder even for a listing;
 * it must be `targetFolder`, or its content would be listed among the sources. Throws `TOOLCHAIN`.
 */
export async function crateFiles(
  rust: RustFacts,
  folder: string,
  targetFolder: string,
): Promise<readonly string[]> {
  const args = ['package', '--list', '--allow-dirty', '--offline', `--target-dir=${targetFolder}`];
  const answer = await commandOutput('cargo', args, { cwd: folder, env: rust.environment });
  if (!answer.ok) {
    throw new PrebuiltError('TOOLCHAIN', `cargo package --list in ${folder}: ${answer.text}`, {
      hint: `Run it yourself until it works: cd ${folder} && cargo package --list --allow-dirty`,
    });
  }
  // Cargo generates .cargo_vcs_info.json; split leaves an empty string at the end.
  return answer.text.split('\n').filter((file) => file !== '' && file !== '.cargo_vcs_info.json');
}
