import { createRequire } from 'node:module';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly repository?: { readonly url: string };
}

const { name, version, repository }: Manifest = createRequire(import.meta.url)('../package.json');

/**
 * Where the pages of docs/ are, without a slash at its end: in the repository that a published package names, else in
 * the workspace whose sources run. Undefined for a package that was published without naming one.
 */
export function documentationOf(url: string | undefined, source: string): string | undefined {
  const web = url === undefined ? undefined : /^git\+(https:\/\/.+)\.git$/.exec(url)?.[1];
  if (web !== undefined) return `${web}/blob/HEAD/docs`;
  return source.endsWith('.ts') ? 'docs' : undefined;
}

/**
 * The package's own name and version, and where its pages are. Whoever publishes it under another scope changes
 * package.json alone: executors are named after it everywhere else.
 */
export const PACKAGE = {
  name,
  version,
  documentation: documentationOf(repository?.url, import.meta.url),
} as const;
