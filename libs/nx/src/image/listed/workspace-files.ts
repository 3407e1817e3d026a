import type { Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, posix, sep } from 'node:path';
import { nearestKey } from '../../configuration/problems.ts';
import { BUILT_INS, type BuiltIn, type ListedEntry, type ListedOption, parseListed } from './entries.ts';

/** A workspace file to add to an image. */
export interface FoundFile {
  /** The final path, relative to the image's root. */
  readonly path: string;
  /** The absolute path of its content, with links followed. */
  readonly source: string;
  /** The octal mode in the image. */
  readonly mode: string;
}

/** An entry that was found on disk. */
export type FoundEntry =
  | { readonly kind: 'built-in'; readonly name: BuiltIn }
  | {
      readonly kind: 'workspace';
      readonly path: string;
      readonly owner: string;
      readonly folders: readonly { readonly path: string; readonly mode: '0755' }[];
      readonly files: readonly FoundFile[];
    };

/** The entries of `image.files` found on disk, and all their problems, one line each. */
export interface ListedFacts {
  readonly entries: readonly FoundEntry[];
  readonly problems: readonly string[];
}

/** More than this would be a data set rather than files that accompany a program. */
const MAX_FILES = 10_000;

/**
 * Finds the entries of `image.files` in the workspace. Follows links that stay inside it. Doesn't throw; unusable
 * entries are among the problems.
 */
export async function readListed(
  workspaceRoot: string,
  options: readonly ListedOption[] = [],
): Promise<ListedFacts> {
  const parsed = parseListed(options);
  const problems = [...parsed.problems];
  if (options.length === 0) return { entries: [], problems };
  const root = await realpath(workspaceRoot);
  const entries: FoundEntry[] = [];
  for (const entry of parsed.entries) {
    if (entry.kind === 'built-in') {
      entries.push(entry);
      continue;
    }
    // Paths outside the workspace and invalid paths have already been reported.
    if (posix.isAbsolute(entry.path) || entry.path.startsWith('..') || entry.path === '.') continue;
    const found = await findEntry(root, entry, (problem) => void problems.push(problem));
    if (found !== undefined) entries.push(found);
  }
  const count = entries.reduce(
    (sum, entry) => sum + (entry.kind === 'workspace' ? entry.files.length : 0),
    0,
  );
  if (count > MAX_FILES) problems.push(`expected at most ${MAX_FILES} files, found ${count}`);
  return { entries, problems };
}

type Tell = (problem: string) => void;
type WorkspaceEntry = Extract<ListedEntry, { readonly kind: 'workspace' }>;

async function findEntry(root: string, entry: WorkspaceEntry, tell: Tell): Promise<FoundEntry | undefined> {
  const { path, to, owner } = entry;
  const top = await look(root, path, tell, () => {
    const near = nearestKey(posix.basename(path), BUILT_INS);
    return near === undefined ? '' : `; did you mean the built-in ${JSON.stringify(near)}?`;
  });
  if (top === undefined) return undefined;
  if (top.stats.isFile()) {
    if (to === '') {
      tell(`${path}: to: expected a path for the file, found "/"`);
      return undefined;
    }
    const mode = entry.mode ?? modeOf(top.stats);
    return { kind: 'workspace', path, owner, folders: [], files: [{ path: to, source: top.source, mode }] };
  }
  const folders = to === '' ? [] : [{ path: to, mode: '0755' as const }];
  const files: FoundFile[] = [];
  const walk = async (folder: string, target: string): Promise<void> => {
    const found = await readdir(join(root, folder), { withFileTypes: true });
    for (const child of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (files.length > MAX_FILES) return;
      const inner = `${folder}/${child.name}`;
      const final = posix.join(target, child.name);
      const seen = await look(root, inner, tell);
      if (seen === undefined) continue;
      if (seen.stats.isFile()) {
        files.push({ path: final, source: seen.source, mode: entry.mode ?? modeOf(seen.stats) });
      } else if (child.isSymbolicLink()) {
        tell(`${inner}: a link to a folder, which may cause a loop; list that folder itself`);
      } else {
        folders.push({ path: final, mode: '0755' });
        await walk(inner, final);
      }
    }
  };
  await walk(path, to);
  return { kind: 'workspace', path, owner, folders, files };
}

/** A file or folder at a path, with links followed. Reports a problem and returns undefined if it can't be used. */
async function look(
  root: string,
  path: string,
  tell: Tell,
  /** Text to add to the message if nothing is found. */
  hint: () => string = () => '',
): Promise<{ readonly source: string; readonly stats: Stats } | undefined> {
  try {
    const source = await realpath(join(root, path));
    if (!source.startsWith(root + sep)) {
      tell(`${path}: expected a file or folder inside the workspace, found a link to ${source}`);
      return undefined;
    }
    const stats = await stat(source);
    if (stats.isFile() || stats.isDirectory()) return { source, stats };
    tell(`${path}: expected a file or folder, found a special file`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const absent = code === 'ENOENT' || code === 'ENOTDIR';
    tell(`${path}: ${absent ? `expected a file or folder, found none${hint()}` : message}`);
  }
  return undefined;
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o111) === 0 ? '0644' : '0755';
}
