import { posix } from 'node:path';
import type { ExpectedImage, ReadEntry } from '@prebuilt/oci';
import type { PlatformArtifact } from '../artifacts/manifest.ts';
import { PrebuiltError } from '../errors.ts';
import { findGroup, findUser } from './base/accounts.ts';
import type { BaseImage } from './base/base-image.ts';
import { baseEntry, FileTree, resolvedPath } from './file-tree.ts';
import type { ImageLists } from './plan.ts';

/**
 * Checks a planned image before anything is written or sent: it must contain the verified executable and runtime files,
 * start a program that exists, and have a user that can be looked up. If its Dockerfile executes something, that may
 * add a program and a list of users; the proof checks the former, and starting the image the latter. Throws
 * `IMAGE_INCOMPLETE`.
 */
export function checkCompleteness(
  artifact: PlatformArtifact,
  image: ExpectedImage,
  lists: ImageLists,
  base?: BaseImage,
): void {
  const planned = image.unplanned?.files ?? image.layers.flat();
  const own = new Map<string, ReadEntry>(planned.map((entry) => [`/${entry.path}`, entry] as const));
  // Archives can contain links, so resolve paths in a tree.
  const tree = base?.tree.clone() ?? new FileTree();
  if (image.unplanned === undefined) for (const layer of image.layers) tree.applyLayer(layer.map(baseEntry));
  const files: Files = {
    own,
    at: (path) => {
      const resolved = resolvedPath(path, tree);
      if (resolved === undefined) return undefined;
      const entry = own.get(resolved);
      if (entry?.type === 'file' || entry?.type === 'directory')
        return entry.type === 'file' ? entry : undefined;
      const found = tree.lookUp(resolved);
      return found?.kind === 'file' ? found : undefined;
    },
    tree,
  };
  checkFilesOf(artifact, files);
  checkCommand(artifact, image, files);
  checkUser(artifact, image, lists);
}

interface Files {
  /** The files in the image's own layers, by absolute path. */
  readonly own: ReadonlyMap<string, ReadEntry>;
  /** The file at a path, with links followed. */
  at(path: string): { readonly mode: number } | undefined;
  /** The base with the planned layers on top. */
  readonly tree: FileTree;
}

function checkFilesOf({ platform, path, sha256, runtime }: PlatformArtifact, { own, tree }: Files): void {
  if (![...own.values()].some((entry) => entry.sha256 === sha256 && isExecutable(entry))) {
    throw incomplete(platform, `expected the executable ${path} with an executable mode, found none`, {
      hint: `Copy it in the Dockerfile: COPY --chmod=755 ${path} /app`,
    });
  }
  for (const file of runtime.files) {
    const found = own.get(`/${file.path}`) ?? own.get(resolvedPath(`/${file.path}`, tree) ?? '');
    if (found?.sha256 === file.sha256 && found.mode === Number.parseInt(file.mode, 8)) continue;
    throw incomplete(
      platform,
      `expected the verified runtime file /${file.path}, found ${found === undefined ? 'none' : 'another'}`,
      {
        hint: `The executable can’t start without it. Copy the runtime folder in the Dockerfile: COPY ${runtime.path}/ /`,
      },
    );
  }
}

function checkCommand(
  { platform }: PlatformArtifact,
  { config, unplanned }: ExpectedImage,
  files: Files,
): void {
  const [program] = [...(config.entrypoint ?? []), ...(config.cmd ?? [])];
  if (program === undefined) {
    throw incomplete(platform, 'expected an ENTRYPOINT or a CMD, found none', {
      hint: 'Add one, such as ENTRYPOINT ["/app"].',
    });
  }
  const candidates = candidatesOf(program, config.workingDir, config.env);
  const found = candidates.map((path) => files.at(path)).find((entry) => entry !== undefined);
  if (found === undefined && unplanned !== undefined) return;
  if (found !== undefined && isExecutable(found)) return;
  const problem = found === undefined ? 'a file in the image, found none' : 'an executable file';
  throw incomplete(platform, `starts ${JSON.stringify(program)}: expected ${problem}`, {
    hint:
      program === '/bin/sh'
        ? 'The shell form needs a shell, which the image doesn’t have: write ENTRYPOINT ["/app"].'
        : `Looked for ${candidates.join(', ')}.`,
  });
}

/** The paths where container runtimes look for a program: its own path, relative to the working directory, or PATH. */
export function candidatesOf(program: string, workingDir: string, env: readonly string[]): readonly string[] {
  if (program.includes('/')) return [posix.resolve('/', workingDir, program)];
  const path = env.findLast((each) => each.startsWith('PATH='))?.slice('PATH='.length) ?? '';
  return path.split(':').map((folder) => posix.resolve('/', workingDir, folder, program));
}

function checkUser(
  { platform }: PlatformArtifact,
  { config }: ExpectedImage,
  { passwd, group: groups }: ImageLists,
): void {
  const [user = '', group = ''] = (config.user ?? '').split(':');
  for (const [name, path, list] of [
    [user, '/etc/passwd', passwd],
    [group, '/etc/group', groups],
  ] as const) {
    if (/^\d*$/.test(name) || list.kind === 'unplanned') continue;
    const subject = `USER ${config.user}: expected`;
    if (list.kind === 'none') {
      throw incomplete(platform, `${subject} ${path} to look up ${name}, found none`, {
        hint: 'Use numeric IDs, such as USER 65532:65532, or copy the built-in "users" of "image.files".',
      });
    }
    if (list.kind === 'unread') {
      throw incomplete(
        platform,
        `${subject} to read ${path}, but it is copied from ${list.path}, which is not read as a list of users`,
        { hint: `Name the file ${posix.basename(path)}, or use numeric IDs, such as USER 65532:65532.` },
      );
    }
    const accounts = { passwd: list.text, group: list.text };
    const known = path === '/etc/passwd' ? findUser(accounts, name) : findGroup(accounts, name);
    if (known !== undefined) continue;
    throw incomplete(platform, `${subject} a line for ${name} in ${list.path}, found none`, {
      hint: 'Use a name from that file, or numeric IDs, such as USER 65532:65532.',
    });
  }
}

function isExecutable({ mode }: Pick<ReadEntry, 'mode'>): boolean {
  return (mode & 0o111) !== 0;
}

function incomplete(platform: string, problem: string, options: { readonly hint: string }): PrebuiltError {
  return new PrebuiltError('IMAGE_INCOMPLETE', `image for ${platform}: ${problem}`, options);
}
