import type { GoBuildInfo, GoModule } from '@prebuilt/elf';
import { PackageURL } from 'packageurl-js';
import type { Component } from '../toolchain.ts';

/**
 * An executable's modules according to Go's build information: the main module, each module that contributes packages,
 * and the standard library, which represents the compiler's version. Sorted by package URL.
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

/** The standard library of a compiler such as `go1.24.4`, under the name that vulnerability databases use. */
export function stdlibPurl(goVersion: string): string {
  return golangPurl('stdlib', goVersion.replace(/^go/, '').replace(/ .*$/s, ''));
}

// The replacement is what was compiled. One from a folder keeps the module's name and has no version.
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
