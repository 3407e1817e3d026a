import { dirname, join } from 'node:path';
import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import type { RustFacts } from './environment.ts';

/** A binary target of a package. */
export interface CargoBin {
  readonly package: string;
  readonly bin: string;
}

/** What is known of a cargo workspace without fetching anything. Paths are absolute. */
export interface CargoWorkspace {
  /** Where Cargo.lock is. */
  readonly root: string;
  /** The binary targets of the folder's package; of all members where the folder has none. */
  readonly bins: readonly CargoBin[];
  /** The binary that `cargo run` takes, where the package says so. */
  readonly defaultBin: string | undefined;
  /** The folder of each package of the workspace by name. */
  readonly folders: ReadonlyMap<string, string>;
  /** The folders of a package and of all packages in folders that it depends on. */
  crateFolders(name: string): readonly string[];
}

interface MetadataPackage {
  readonly name: string;
  readonly manifest_path: string;
  readonly default_run: string | null;
  readonly targets: readonly { readonly name: string; readonly kind: readonly string[] }[];
  readonly dependencies: readonly { readonly path?: string }[];
}

/** Reads a folder's cargo workspace. Throws `TOOLCHAIN` where there is no Cargo.toml that can be read. */
export async function readCargoWorkspace(rust: RustFacts, folder: string): Promise<CargoWorkspace> {
  const args = ['metadata', '--no-deps', '--offline', '--format-version=1'];
  const answer = await commandOutput('cargo', args, { cwd: folder, env: rust.environment });
  if (!answer.ok) {
    throw new PrebuiltError(
      'TOOLCHAIN',
      `cargo metadata in ${folder}: ${answer.text.replace(/^error: /, '')}`,
    );
  }
  const { packages, workspace_root: root }: { packages: readonly MetadataPackage[]; workspace_root: string } =
    JSON.parse(answer.text);
  const own = packages.find((each) => each.manifest_path === join(folder, 'Cargo.toml'));
  const byFolder = new Map(packages.map((each) => [dirname(each.manifest_path), each]));
  return {
    root,
    bins: (own === undefined ? packages : [own]).flatMap((each) =>
      each.targets
        .filter(({ kind }) => kind.includes('bin'))
        .map(({ name }) => ({ package: each.name, bin: name })),
    ),
    defaultBin: own?.default_run ?? undefined,
    folders: new Map(packages.map((each) => [each.name, dirname(each.manifest_path)])),
    crateFolders(name) {
      const folders = new Set(
        packages.filter((each) => each.name === name).map((each) => dirname(each.manifest_path)),
      );
      for (const each of folders) {
        for (const { path } of byFolder.get(each)?.dependencies ?? [])
          if (path !== undefined) folders.add(path);
      }
      return [...folders].sort();
    },
  };
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
  if (!answer.ok) throw new PrebuiltError('TOOLCHAIN', `cargo package --list in ${folder}: ${answer.text}`);
  // The first and the last are made, not found.
  return answer.text.split('\n').filter((file) => file !== '' && file !== '.cargo_vcs_info.json');
}
