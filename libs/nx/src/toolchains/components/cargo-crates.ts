import type { CargoAuditable } from '@prebuilt/elf';
import { PackageURL } from 'packageurl-js';
import type { Component } from '../toolchain.ts';

/** An executable's crates according to `cargo auditable`, without build dependencies, sorted by package URL. */
export function auditedComponents({ packages }: CargoAuditable): readonly Component[] {
  const used = packages.filter(({ kind }) => kind === 'runtime');
  const purls = used.map(({ name, version }) => cargoPurl(name, version));
  return [...new Set(purls)].sort().map((purl) => ({ kind: 'library', purl }));
}

/**
 * The package URL of a crate. `repository` is set for a crate from git.
 * https://github.com/package-url/purl-spec/blob/main/types/cargo-definition.json
 */
export function cargoPurl(name: string, version: string, repository?: string): string {
  const qualifiers = repository === undefined ? undefined : { vcs_url: `git+${repository}` };
  return new PackageURL('cargo', undefined, name, version, qualifiers, undefined).toString();
}
