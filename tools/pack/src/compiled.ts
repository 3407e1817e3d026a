import { sep } from 'node:path';

/** The folders of sources and compiled files in a package. */
export const SOURCES = 'src';
export const COMPILED = 'dist';

/** A path with forward slashes, as in manifests and globs. */
export function posix(path: string): string {
  return path.split(sep).join('/');
}

/**
 * The path of a source file in the published package: `src/a/b.ts` becomes `dist/a/b.js`; files other than TypeScript
 * only move. Paths outside the sources stay the same.
 */
export function publishedPath(path: string): string {
  if (!path.startsWith(`${SOURCES}/`)) return path;
  return `${COMPILED}${path.slice(SOURCES.length)}`.replace(/(?<!\.d)\.ts$/, '.js');
}

/**
 * Rewrites string literals with relative paths to sources, which the compiler does not recognize as imports
 * (`new URL('./thread.ts', import.meta.url)`, the paths in executors.json), to the paths in the published package.
 * Literals that are not paths to sources stay unchanged.
 *
 * @param text the file's content
 * @param path the file's own path, relative to the package's folder
 * @param sources the paths of all sources, relative to the package's folder
 */
export function rewritePaths(text: string, path: string, sources: ReadonlySet<string>): string {
  return text.replace(/(["'`])(\.{1,2}\/[\w./-]+)(?=[#"'`])/g, (literal, quote: string, relative: string) => {
    const target = joinInside(path, relative);
    if (target === undefined || !sources.has(target)) return literal;
    return `${quote}${relativeFrom(publishedPath(path), publishedPath(target))}`;
  });
}

// URLs resolve paths in the same way on every platform.
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
