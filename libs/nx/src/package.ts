import { createRequire } from 'node:module';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly repository?: { readonly url: string };
}

const { name, version, repository }: Manifest = createRequire(import.meta.url)('../package.json');

/**
 * The location of the docs/ pages, without a trailing slash: in the repository of a published package, or in the
 * workspace when running from source. Undefined for a package published without a repository.
 */
export function documentationOf(url: string | undefined, source: string): string | undefined {
  const web = url === undefined ? undefined : /^git\+(https:\/\/.+)\.git$/.exec(url)?.[1];
  if (web !== undefined) return `${web}/blob/HEAD/docs`;
  return source.endsWith('.ts') ? 'docs' : undefined;
}

/**
 * The package's name, version and documentation. To publish it under another scope, change only package.json:
 * everything else uses this name.
 */
export const PACKAGE = {
  name,
  version,
  documentation: documentationOf(repository?.url, import.meta.url),
} as const;
