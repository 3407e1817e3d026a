import { posix } from 'node:path';
import { compareBytes } from '@prebuilt/oci';
import {
  GlobError,
  type GlobPart,
  hasWildcards,
  literal,
  matchesPath,
  parsePathGlob,
} from '../dockerfile/glob.ts';
import { type ContextFolder, type ContextNode, contextNode } from './context.ts';

/** A source of a `COPY` can't be found, or builders would copy it differently. */
export class CopyProblem extends Error {
  override readonly name = 'CopyProblem';
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** The maximum number of double-asterisk folders in a pattern: each one doubles the matching time. */
const MAX_ANY_FOLDERS = 4;

/** What a source refers to in the context. */
export interface CopySource {
  /** Relative to the context. */
  readonly path: string;
  readonly node: ContextNode;
}

/**
 * Finds what a source refers to: a file, a folder, or everything that a pattern matches, in walk order. Throws a
 * `CopyProblem` if nothing is found; for a pattern without a match, BuildKit would silently copy nothing.
 * https://docs.docker.com/reference/dockerfile/#pattern-matching
 */
export function findSources(context: ContextFolder, name: string): readonly CopySource[] {
  refuseElsewhere(name);
  if (!hasWildcards(name)) {
    const node = contextNode(context, name);
    if (node === undefined || (node.kind === 'file' && name.endsWith('/'))) throw absent(context, name);
    return [{ path: name, node }];
  }
  const steps = name.split('/').filter((step) => step !== '' && step !== '.');
  let found: readonly CopySource[] = [{ path: '', node: context }];
  for (const step of steps) {
    const parts = parsedGlob(step);
    found = found.flatMap(({ path, node }) =>
      childrenOf(node)
        .filter(([child]) => matchesPath(parts, child))
        .map(([child, inner]) => ({ path: posix.join(path, child), node: inner })),
    );
  }
  if (name.endsWith('/')) found = found.filter(({ node }) => node.kind === 'folder');
  if (found.length === 0) throw absent(context, name);
  return found;
}

/** A source of `COPY --parents`, with the parent folders that it keeps. */
export interface ParentedSource extends CopySource {
  /** The path relative to the destination. */
  readonly inner: string;
}

/**
 * Finds what a source of `COPY --parents` refers to. Parent folders are kept from the root of the context, or from the
 * `/./` in the source.
 * https://docs.docker.com/reference/dockerfile/#copy---parents
 */
export function findParented(context: ContextFolder, name: string): readonly ParentedSource[] {
  const pivot = name.replace(/^\.\//, '').indexOf('/./');
  const start = name.replace(/^\.\//, '');
  const above = pivot < 0 ? '' : start.slice(0, pivot);
  if (hasWildcards(above)) throw new CopyProblem(`${name}: wildcards before "/./" are not supported`);
  if (name.includes('**')) {
    throw new CopyProblem(
      `${name}: "**" is not supported`,
      'Use the folder itself: everything in it is copied.',
    );
  }
  return findSources(context, name).map(({ path, node }) => {
    const clean = posix.normalize(path).replace(/^\/+|\/+$/g, '');
    return { path, node, inner: clean === '.' ? '' : posix.relative(above, clean) };
  });
}

/**
 * Parses the patterns of `--exclude`, which match paths inside a source folder. Throws a `CopyProblem` for `!` and for
 * character classes.
 * https://docs.docker.com/reference/dockerfile/#copy---exclude
 */
export function parseExclusions(patterns: readonly string[]): (path: string) => boolean {
  const globs = patterns.map((pattern) => {
    const clean = posix.normalize(pattern).replace(/^\/+|\/+$/g, '');
    const deep = clean.split('**/').length - 1;
    if (/[![\]\\]/.test(clean) || clean === '.' || clean.startsWith('..') || deep > MAX_ANY_FOLDERS) {
      throw new CopyProblem(
        `--exclude=${pattern}: expected a path inside the source, with "*", "?" or "**"`,
        'Exclude files with patterns such as *.md or **/*.md.',
      );
    }
    return clean
      .split('**/')
      .flatMap((piece, index): readonly (GlobPart | 'any folders')[] => [
        ...(index > 0 ? (['any folders'] as const) : []),
        ...piece
          .split('**')
          .flatMap((part, at) => [
            ...(at > 0 ? [{ many: true, takes: () => true }] : []),
            ...parsedGlob(part),
          ]),
      ]);
  });
  return (path) => globs.some((glob) => matchesExclusion(glob, path));
}

/** A source without excluded files. Throws a `CopyProblem` if the source itself is excluded. */
export function withoutExcluded(
  { path, node }: CopySource,
  isExcluded: (path: string) => boolean,
): ContextNode {
  if (node.kind === 'file') {
    if (!isExcluded(posix.basename(path)) && !isExcluded(path)) return node;
    throw new CopyProblem(
      `${path}: is both a source and excluded, which BuildKit versions treat differently`,
      'Remove it from the sources.',
    );
  }
  const filtered = (folder: ContextFolder, inner: string): ContextFolder => ({
    ...folder,
    children: new Map(
      [...folder.children].flatMap(([name, child]): readonly (readonly [string, ContextNode])[] => {
        const at = inner === '' ? name : `${inner}/${name}`;
        if (isExcluded(at)) return [];
        return [[name, child.kind === 'folder' ? filtered(child, at) : child]];
      }),
    ),
  });
  return filtered(node, '');
}

// `**/` matches any number of folders, including none, so try the pattern with and without it.
function matchesExclusion(glob: readonly (GlobPart | 'any folders')[], path: string): boolean {
  const at = glob.indexOf('any folders');
  if (at < 0) return matchesPath(glob as readonly GlobPart[], path);
  const before = glob.slice(0, at);
  const after = glob.slice(at + 1);
  const folders = [...before, { many: true, takes: () => true }, literal('/'), ...after];
  return matchesExclusion([...before, ...after], path) || matchesExclusion(folders, path);
}

function refuseElsewhere(name: string): void {
  if (name.split('/').includes('..')) {
    throw new CopyProblem(
      `${name}: is outside the build context`,
      'List it in "image.files" of prebuilt.json, and copy it from files/.',
    );
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(name) || /^git@/.test(name)) {
    throw new CopyProblem(
      `${name}: is not a file in the build context`,
      'Images contain only files from the workspace and prebuilt.lock.json: download it beforehand, list it in "image.files" of prebuilt.json, and copy it from files/.',
    );
  }
}

function parsedGlob(pattern: string): readonly GlobPart[] {
  try {
    return parsePathGlob(pattern);
  } catch (error) {
    if (error instanceof GlobError) throw new CopyProblem(error.message);
    throw error;
  }
}

function childrenOf(node: ContextNode): readonly (readonly [string, ContextNode])[] {
  if (node.kind === 'file') return [];
  return [...node.children].sort(([a], [b]) => compareBytes(a, b));
}

function absent(context: ContextFolder, name: string): CopyProblem {
  const there = childrenOf(context).map(([each, { kind }]) => (kind === 'folder' ? `${each}/` : each));
  return new CopyProblem(
    `${name}: expected a file or folder in the build context, found none`,
    `The context contains ${there.join(', ')}. To add workspace files, list them in "image.files" of prebuilt.json.`,
  );
}
