import { sep } from 'node:path';

/** Where sources and compiled files lie in a package, relative to its folder. */
export const SOURCES = 'src';
export const COMPILED = 'dist';

/** A path with forward slashes, as manifests and globs have it. */
export function posix(path: string): string {
  return path.split(sep).join('/');
}

/**
 * The path in the published package of a file of the sources: `src/a/b.ts` becomes `dist/a/b.js`, what is not
 * TypeScript only moves. Paths outside of the sources stay.
 */
export function publishedPath(path: string): string {
  if (!path.startsWith(`${SOURCES}/`)) return path;
  return `${COMPILED}${path.slice(SOURCES.length)}`.replace(/(?<!\.d)\.ts$/, '.js');
}

/**
 * Rewrites the relative paths to sources that stand as string literals in a file (what the compiler does not know to be
 * imports: `new URL('./thread.ts', import.meta.url)`, the paths of executors.json) to where the published package has
 * these files. A literal that leads to no source stays as it is.
 *
 * @param text the file's content
 * @param path the file's own path in the sources, relative to the package's folder
 * @param sources the paths of all sources, relative to the package's folder
 */
export function rewritePaths(text: string, path: string, sources: ReadonlySet<string>): string {
  return text.replace(/(["'`])(\.{1,2}\/[\w./-]+)(?=[#"'`])/g, (literal, quote: string, relative: string) => {
    const target = joinInside(path, relative);
    if (target === undefined || !sources.has(target)) return literal;
    return `${quote}${relativeFrom(publishedPath(path), publishedPath(target))}`;
  });
}

// URLs resolve paths by the same rules on every platform.
function joinInside(from: string, relative: string): string | undefined {
  const base = 'file:///package/';
  const { href } = new URL(relative, `${base}${from}`);
  return href.startsWith(base) ? decodeURI(href.slice(base.length)) : undefined;
}

function relativeFrom(from: string, to: string): string {
  const folders = from.split('/').slice(0, -1);
  const parts = to.split('/');
  let shared = 0;
  while (shared < folders.length && folders[shared] === parts[shared]) shared += 1;
  const up = folders.slice(shared).map(() => '..');
  return [...(up.length === 0 ? ['.'] : up), ...parts.slice(shared)].join('/');
}
