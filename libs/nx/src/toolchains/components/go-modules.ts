import type { GoBuildInfo, GoModule } from '@prebuilt/elf';
import { PackageURL } from 'packageurl-js';
import type { Component } from '../toolchain.ts';

/**
 * What Go's build information says an executable is made of: the main module, each module that packages of it are
 * from, and the standard library, which stands for the compiler's version. Sorted by package URL.
 * https://github.com/package-url/purl-spec/blob/main/types/golang-definition.json
 */
export function goComponents({ goVersion, main, dependencies }: GoBuildInfo): readonly Component[] {
  const modules = [...(main === null ? [] : [main]), ...dependencies].map(compiledModule);
  const purls = modules.map(({ path, version }) => golangPurl(path, version));
  return [
    { kind: 'framework' as const, purl: stdlibPurl(goVersion), license: 'BSD-3-Clause' },
    ...[...new Set(purls)].sort().map((purl) => ({ kind: 'library' as const, purl })),
  ];
}

/** The standard library of a compiler, `go1.24.4`, under the name by which vulnerability databases know it. */
export function stdlibPurl(goVersion: string): string {
  return golangPurl('stdlib', goVersion.replace(/^go/, '').replace(/ .*$/s, ''));
}

// A replacement is what was compiled; one from a folder keeps the module's name, and has no version of its own.
function compiledModule({ path, version, replacedBy }: GoModule): {
  readonly path: string;
  readonly version: string;
} {
  if (replacedBy === null) return { path, version };
  const isFolder = /^(\.{0,2}\/|[A-Za-z]:)/.test(replacedBy.path);
  return isFolder ? { path, version: '' } : replacedBy;
}

function golangPurl(path: string, version: string): string {
  const slash = path.lastIndexOf('/');
  const known = version === '' || version === '(devel)' ? undefined : version;
  const namespace = slash < 0 ? undefined : path.slice(0, slash);
  return new PackageURL('golang', namespace, path.slice(slash + 1), known, undefined, undefined).toString();
}
