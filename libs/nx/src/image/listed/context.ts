import { join } from 'node:path';
import {
  foldersAbove,
  LISTED_FOLDER,
  type ListedArchive,
  type ListedGroup,
  ROOT,
  topPaths,
} from '../../artifacts/listed.ts';

/** A `COPY` instruction for listed files. */
export interface ListedCopy {
  /** `user:group`; undefined for root. */
  readonly owner: string | undefined;
  /** Relative to the context. */
  readonly source: string;
  /** The absolute path in the image. */
  readonly destination: string;
}

/** The listed files in a build context. Paths are relative to the context, sources are absolute, sizes are in bytes. */
export interface ListedContext {
  readonly files: readonly {
    readonly path: string;
    readonly source: string;
    readonly mode: number;
    readonly size: number;
    readonly sha256: string;
    readonly archive?: ListedArchive | undefined;
  }[];
  readonly folders: readonly { readonly path: string; readonly mode: number }[];
}

/**
 * The folder in a context with one owner's listed files at their final paths: `files` for root, which also contains the
 * parent folders of all others, and `files-1000-1000` for 1000:1000.
 */
export function listedFolder(owner: string): string {
  return owner === ROOT ? LISTED_FOLDER : `${LISTED_FOLDER}-${owner.replace(':', '-')}`;
}

/** The listed files for a build context. `inputPath` is the folder of executables. */
export function listedContext(groups: readonly ListedGroup[], inputPath: string): ListedContext {
  return {
    folders: [
      ...sharedFolders(groups).map((path) => ({ path: `${LISTED_FOLDER}/${path}`, mode: 0o755 })),
      ...groups.flatMap(({ owner, folders }) =>
        folders.map(({ path, mode }) => ({
          path: `${listedFolder(owner)}/${path}`,
          mode: Number.parseInt(mode, 8),
        })),
      ),
    ],
    files: groups.flatMap(({ owner, files }) =>
      files.map(({ path, mode, size, sha256, archive }) => ({
        path: `${listedFolder(owner)}/${path}`,
        source: join(inputPath, LISTED_FOLDER, path),
        mode: Number.parseInt(mode, 8),
        size,
        sha256,
        ...(archive !== undefined && { archive }),
      })),
    ),
  };
}

/** The `COPY` instructions for listed files. Root's files come first, with the parent folders of all others. */
export function listedCopies(groups: readonly ListedGroup[]): readonly ListedCopy[] {
  const ofRoot = groups.some(
    ({ owner, files, folders }) => owner === ROOT && files.length + folders.length > 0,
  );
  return [
    ...(ofRoot || sharedFolders(groups).length > 0
      ? [{ owner: undefined, source: `${LISTED_FOLDER}/`, destination: '/' }]
      : []),
    ...groups
      .filter(({ owner }) => owner !== ROOT)
      .flatMap((group) =>
        topPaths(group).map(({ path, isFolder }) => {
          const end = isFolder ? '/' : '';
          const { owner } = group;
          return { owner, source: `${listedFolder(owner)}/${path}${end}`, destination: `/${path}${end}` };
        }),
      )
      // A folder comes before its content.
      .sort((a, b) => (a.destination < b.destination ? -1 : 1)),
  ];
}

// Parent folders of another owner's files must belong to root, but COPY --chown would give new ones to that owner.
function sharedFolders(groups: readonly ListedGroup[]): readonly string[] {
  const owned = groups.filter(({ owner }) => owner !== ROOT);
  const theirs = new Set(owned.flatMap(({ folders }) => folders.map(({ path }) => path)));
  const above = owned.flatMap((group) => topPaths(group).flatMap(({ path }) => foldersAbove(path)));
  return [...new Set(above)].filter((path) => !theirs.has(path)).sort();
}
