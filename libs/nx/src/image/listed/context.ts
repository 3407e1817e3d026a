import { join } from 'node:path';
import {
  foldersAbove,
  LISTED_FOLDER,
  type ListedArchive,
  type ListedGroup,
  ROOT,
  topPaths,
} from '../../artifacts/listed.ts';

/** A `COPY` that puts listed files to their places. */
export interface ListedCopy {
  /** `user:group`; undefined for root. */
  readonly owner: string | undefined;
  /** Relative to the context. */
  readonly source: string;
  /** Absolute in the image. */
  readonly destination: string;
}

/** The part of a build context that listed files are. Paths are relative to it, sources absolute, sizes bytes. */
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
 * The folder of a context that holds one owner's listed files at their final paths: `files` for root's, with the folders
 * above all others, and `files-1000-1000` for those of 1000:1000.
 */
export function listedFolder(owner: string): string {
  return owner === ROOT ? LISTED_FOLDER : `${LISTED_FOLDER}-${owner.replace(':', '-')}`;
}

/** Listed files as part of a build context; `inputPath` is the folder of executables. */
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

/** How a Dockerfile puts listed files to their places: root's with the folders above all others first. */
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
      // A folder before what is inside it.
      .sort((a, b) => (a.destination < b.destination ? -1 : 1)),
  ];
}

// The folders above what is another's are root's: COPY --chown would give those that it makes to the other.
function sharedFolders(groups: readonly ListedGroup[]): readonly string[] {
  const owned = groups.filter(({ owner }) => owner !== ROOT);
  const theirs = new Set(owned.flatMap(({ folders }) => folders.map(({ path }) => path)));
  const above = owned.flatMap((group) => topPaths(group).flatMap(({ path }) => foldersAbove(path)));
  return [...new Set(above)].filter((path) => !theirs.has(path)).sort();
}
