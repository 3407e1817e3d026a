import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import type { RustFacts } from './environment.ts';
import { localPackages } from './lockfile.ts';

/** A binary target of a package. */
export interface CargoBin {
  readonly package: string;
  readonly bin: string;
}

/** What is known about a cargo workspace without fetching anything. Paths are absolute. */
export interface CargoWorkspace {
  /** Where Cargo.lock is. */
  readonly root: string;
  /** The binary targets of the folder's package; of all members where the folder has none. */
  readonly bins: readonly CargoBin[];
  /** The binary that `cargo run` takes, where the package says so. */
  readonly defaultBin: string | undefined;
  /** The folder of each package of the workspace, by `name@version`. */
  readonly folders: ReadonlyMap<string, string>;
}

interface MetadataPackage {
  readonly name: string;
  readonly version: string;
  readonly manifest_path: string;
  readonly default_run: string | null;
  readonly targets: readonly { readonly name: string; readonly kind: readonly string[] }[];
}

/** Reads a folder's cargo workspace. Throws `TOOLCHAIN` where there is no Cargo.toml that can be read. */
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
 * The folders of the packages with these names and of all packages in folders that they depend on, inside the workspace
 * and outside, also those that are patched in: sorted. Fetches nothing. Throws `TOOLCHAIN`.
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

// `path+file:///folder#name@1.0.0`, before cargo 1.77 without `path+`.
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
      hint: 'Cargo.lock may be older than Cargo.toml: run `cargo update --workspace`, and commit what it changes.',
    },
  );
}

/**
 * The files that belong to a crate, by cargo's own rules, relative to its folder. Cargo begins a target folder when it is
 * asked: the given one, since it would list what it makes among the sources. Throws `TOOLCHAIN`.
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
  // The first and the last are made, not found.
  return answer.text.split('\n').filter((file) => file !== '' && file !== '.cargo_vcs_info.json');
}
