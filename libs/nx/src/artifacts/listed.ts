import * as v from 'valibot';
import { distributionPackage, innerPath, sha256, size, text, time } from './manifest-fields.ts';

/** The subfolder of built executables that contains the listed files, each at its final path. */
export const LISTED_FOLDER = 'files';

const MAX_ID = 2 ** 31 - 1;

const origin = v.variant('kind', [
  v.strictObject({ kind: v.literal('workspace'), path: innerPath }),
  v.strictObject({ kind: v.literal('package'), ...distributionPackage }),
  v.strictObject({ kind: v.literal('built-in'), name: v.picklist(['users', 'tmp']) }),
]);

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_ID));
const metadata = {
  path: innerPath,
  mode: v.pipe(v.string(), v.regex(/^[0-7]{4}$/)),
  uid: id,
  gid: id,
  mtime: time,
};
const target = v.pipe(v.string(), v.minLength(1), v.maxLength(1024), v.regex(/^\P{Cc}*$/u));

/** How to treat a listed file that is an archive: its entries, or why only buildx or no builder may unpack it. */
const archive = v.variant('kind', [
  v.strictObject({
    kind: v.literal('entries'),
    entries: v.array(
      v.variant('type', [
        v.strictObject({ type: v.literal('file'), ...metadata, size, sha256 }),
        v.strictObject({ type: v.literal('directory'), ...metadata }),
        v.strictObject({ type: v.literal('symlink'), ...metadata, target }),
        v.strictObject({ type: v.literal('link'), ...metadata, target: innerPath }),
      ]),
    ),
  }),
  v.strictObject({ kind: v.literal('foreign'), because: text }),
  v.strictObject({ kind: v.literal('refused'), because: text, hint: v.optional(text) }),
]);

/**
 * The result of `ADD` for an archive: `entries` in the archive's order, with octal modes, numeric owners, and times in
 * seconds since 1970; `foreign` if only BuildKit can read it; `refused` if it must not be unpacked. The latter two have
 * a reason.
 */
export type ListedArchive = Readonly<v.InferOutput<typeof archive>>;

/** A file, folder or link in an archive. */
export type ListedArchiveEntry = Extract<ListedArchive, { readonly kind: 'entries' }>['entries'][number];

/** The files and folders that one entry of `image.files` adds to every image, as listed in the manifest. */
export const listedGroup = v.strictObject({
  origin,
  owner: v.pipe(
    v.string(),
    v.regex(/^\d{1,10}:\d{1,10}$/, 'expected a numeric user and group, such as 0:0'),
    v.check(
      (owner) => owner.split(':').every((id) => Number(id) <= MAX_ID),
      `expected numbers up to ${MAX_ID}`,
    ),
  ),
  folders: v.array(
    v.strictObject({ path: innerPath, mode: v.picklist(['0755', '1777'], 'expected the mode 0755 or 1777') }),
  ),
  files: v.array(
    v.strictObject({
      path: innerPath,
      mode: v.pipe(v.string(), v.regex(/^0[4-7][0-7]{2}$/, 'expected a mode from 0400 to 0777')),
      size,
      sha256,
      archive: v.optional(archive),
    }),
  ),
});

/**
 * What one entry of `image.files` adds to every image: its origin, its owner (numeric `user:group`), and its folders
 * and files with octal modes at their final paths, relative to the image's root. An archive's content is included.
 */
export type ListedGroup = Readonly<v.InferOutput<typeof listedGroup>>;

/** The paths of a group, in a manifest or a plan. */
export interface ListedPaths {
  readonly owner: string;
  readonly folders: readonly { readonly path: string; readonly mode: string }[];
  readonly files: readonly { readonly path: string }[];
}

/**
 * The conflicts that keep groups from being combined in one image, one line each: a path that is given twice or is
 * both a file and a folder, a name with a special meaning in layers, and a path inside another owner's folder.
 */
export function listedProblems(groups: readonly ListedPaths[]): readonly string[] {
  const problems = new Set<string>();
  const files = new Set<string>();
  const folders = new Map<string, { readonly owner: string; readonly mode: string }>();
  for (const { files: own } of groups) {
    for (const { path } of own) {
      if (files.has(path)) problems.add(`/${path}: would be added twice`);
      files.add(path);
    }
  }
  for (const { owner, folders: own } of groups) {
    for (const { path, mode } of own) {
      const former = folders.get(path);
      if (former !== undefined && (former.owner !== owner || former.mode !== mode)) {
        problems.add(`/${path}: would have two owners or modes`);
      }
      folders.set(path, { owner, mode });
    }
  }
  for (const { owner, files: ownFiles, folders: ownFolders } of groups) {
    for (const { path } of [...ownFiles, ...ownFolders]) {
      const name = badName(path);
      if (name !== undefined) problems.add(`/${path}: ${name}`);
      for (const above of foldersAbove(path)) {
        if (files.has(above)) problems.add(`/${above}: would be both a file and the folder of /${path}`);
        const other = folders.get(above)?.owner ?? owner;
        if (other !== owner)
          problems.add(
            `/${path}: belongs to ${owner}, but would be inside /${above}, which belongs to ${other}`,
          );
      }
    }
    for (const { path } of ownFolders) {
      if (files.has(path)) problems.add(`/${path}: would be both a file and a folder`);
    }
    // Dockerfiles contain these paths.
    for (const { path } of owner === ROOT ? [] : topPaths({ files: ownFiles, folders: ownFolders })) {
      if (!/^[A-Za-z0-9._+@~/-]+$/.test(path)) {
        problems.add(`/${path}: belongs to ${owner}: expected a path of letters, digits and "._+@~-"`);
      }
    }
  }
  return [...problems];
}

/** The default owner. */
export const ROOT = '0:0';

/** A group's topmost folders and files: those not inside another of its folders. Sorted. */
export function topPaths({
  files,
  folders,
}: Pick<ListedPaths, 'files' | 'folders'>): readonly { readonly path: string; readonly isFolder: boolean }[] {
  const inside = new Set(folders.map(({ path }) => path));
  return [
    ...folders.map(({ path }) => ({ path, isFolder: true })),
    ...files.map(({ path }) => ({ path, isFolder: false })),
  ]
    .filter(({ path }) => !foldersAbove(path).some((above) => inside.has(above)))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A path's parent folders, topmost first. */
export function foldersAbove(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

// https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts
function badName(path: string): string | undefined {
  if (/\p{Cc}/u.test(path)) return 'expected a name without control characters';
  if (path.split('/').some((part) => part.startsWith('.wh.'))) {
    return 'a name that starts with ".wh." deletes files when the image is unpacked';
  }
  return undefined;
}

/** A listed file's mode on disk, derived from its mode in the image. */
export function diskMode(mode: string): 0o644 | 0o755 {
  return (Number.parseInt(mode, 8) & 0o111) === 0 ? 0o644 : 0o755;
}
