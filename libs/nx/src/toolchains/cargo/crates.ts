import { PrebuiltError } from '../../errors.ts';
import { commandOutput } from '../../process/command-output.ts';
import { cargoPurl } from '../components/cargo-crates.ts';
import type { Component } from '../toolchain.ts';
import type { RustFacts } from './environment.ts';

/** Determines which crates are part of an executable. */
export interface CrateQuery {
  readonly folder: string;
  readonly packages: readonly string[];
  readonly triple: string;
  /** `--features` and similar flags. */
  readonly features: readonly string[];
}

/**
 * The crates compiled into the packages' executables: their dependencies for the target, except build dependencies, dev
 * dependencies and procedural macros. Throws `COMPILE_FAILED`.
 */
export async function readCrates(rust: RustFacts, query: CrateQuery): Promise<readonly Component[]> {
  const args = [
    'tree',
    '--locked',
    '--edges=normal,no-proc-macro',
    '--prefix=none',
    `--target=${query.triple}`,
    '--format={p}\t{l}',
    ...query.packages.map((name) => `--package=${name}`),
    ...query.features,
  ];
  const answer = await commandOutput('cargo', args, { cwd: query.folder, env: rust.environment });
  if (!answer.ok) throw new PrebuiltError('COMPILE_FAILED', `cargo tree: ${answer.text}`);
  return parseCrates(answer.text);
}

/**
 * Parses lines of `name v1.2.3 (source)<tab>license`; a crate may occur many times. Throws `COMPILE_FAILED`.
 * https://doc.rust-lang.org/cargo/commands/cargo-tree.html
 */
export function parseCrates(text: string): readonly Component[] {
  const crates = new Map<string, Component>();
  // An empty line separates packages.
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [, name, version, source, license] =
      /^(\S+) v(\S+)(?: \(([^\t]*)\))?\t(.*?)(?: \(\*\))?$/.exec(line) ?? [];
    if (name === undefined || version === undefined) {
      throw new PrebuiltError(
        'COMPILE_FAILED',
        `cargo tree: expected a crate, found ${JSON.stringify(line)}`,
      );
    }
    const purl = cargoPurl(name, version, repositoryOf(source));
    crates.set(purl, { kind: 'library', purl, ...(license ? { license: spdx(license) } : {}) });
  }
  return [...crates.keys()].sort().flatMap((purl) => crates.get(purl) ?? []);
}

// `https://github.com/acme/crate?branch=main#0123abcd`: the commit is what was compiled.
function repositoryOf(source: string | undefined): string | undefined {
  const [, address, commit] = /^((?:https?|ssh|git):\/\/[^?#]+)[^#]*#([0-9a-f]+)$/.exec(source ?? '') ?? [];
  return address === undefined ? undefined : `${address}@${commit}`;
}

// Old crates write `MIT/Apache-2.0`. https://doc.rust-lang.org/cargo/reference/manifest.html
function spdx(license: string): string {
  return license
    .split('/')
    .map((each) => each.trim())
    .join(' OR ');
}
