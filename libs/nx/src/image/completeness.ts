import { posix } from 'node:path';
import type { ExpectedImage, ReadEntry } from '@prebuilt/oci';
import type { PlatformArtifact } from '../artifacts/manifest.ts';
import { PrebuiltError } from '../errors.ts';
import { findGroup, findUser } from './base/accounts.ts';
import type { BaseImage } from './base/base-image.ts';

/**
 * Judges a planned image before anything is written or sent: it holds the executable and its runtime files as they were
 * verified, it starts something that is there, and its user can be looked up. Throws `IMAGE_INCOMPLETE`.
 */
export function checkCompleteness(artifact: PlatformArtifact, image: ExpectedImage, base?: BaseImage): void {
  const own = new Map<string, ReadEntry>(
    image.layers.flat().map((entry) => [`/${entry.path}`, entry] as const),
  );
  const files: Files = {
    own,
    at: (path) => {
      const resolved = base?.tree.resolve(path) ?? path;
      const entry = own.get(resolved);
      if (entry !== undefined) return entry.type === 'file' ? entry : undefined;
      const found = base?.tree.lookUp(resolved);
      return found?.kind === 'file' ? found : undefined;
    },
    base,
  };
  checkFilesOf(artifact, files);
  checkCommand(artifact, image, files);
  checkUser(artifact, image, files);
}

interface Files {
  /** Of the image's own layers, by absolute path. */
  readonly own: ReadonlyMap<string, ReadEntry>;
  /** The file that a path leads to, links of the base followed. */
  at(path: string): { readonly mode: number } | undefined;
  readonly base: BaseImage | undefined;
}

function checkFilesOf({ platform, path, sha256, runtime }: PlatformArtifact, { own, base }: Files): void {
  if (![...own.values()].some((entry) => entry.sha256 === sha256 && isExecutable(entry))) {
    throw incomplete(platform, `expected the executable ${path} with a mode that lets it run, found none`, {
      hint: `Copy it in the Dockerfile: COPY --chmod=755 ${path} /app`,
    });
  }
  for (const file of runtime.files) {
    const found = own.get(`/${file.path}`) ?? own.get(base?.tree.resolve(`/${file.path}`) ?? '');
    if (found?.sha256 === file.sha256 && found.mode === Number.parseInt(file.mode, 8)) continue;
    throw incomplete(
      platform,
      `expected the runtime file /${file.path} as it was verified, found ${found === undefined ? 'none' : 'another'}`,
      {
        hint: `The executable does not start without it. Copy the runtime folder in the Dockerfile: COPY ${runtime.path}/ /`,
      },
    );
  }
}

function checkCommand({ platform }: PlatformArtifact, { config }: ExpectedImage, files: Files): void {
  const [program] = [...(config.entrypoint ?? []), ...(config.cmd ?? [])];
  if (program === undefined) {
    throw incomplete(platform, 'expected an ENTRYPOINT or a CMD, found none', {
      hint: 'Say what to start: ENTRYPOINT ["/app"]',
    });
  }
  const candidates = candidatesOf(program, config.workingDir, config.env);
  const found = candidates.map((path) => files.at(path)).find((entry) => entry !== undefined);
  if (found !== undefined && isExecutable(found)) return;
  const problem = found === undefined ? 'a file of the image, found none' : 'a file that may be executed';
  throw incomplete(platform, `starts ${JSON.stringify(program)}: expected ${problem}`, {
    hint:
      program === '/bin/sh'
        ? 'The shell form needs a shell, which the image does not have: write ENTRYPOINT ["/app"].'
        : `Looked for ${candidates.join(', ')}.`,
  });
}

// As a runtime of containers looks for it: by its path, from the working directory, or in PATH.
function candidatesOf(program: string, workingDir: string, env: readonly string[]): readonly string[] {
  if (program.includes('/')) return [posix.resolve('/', workingDir, program)];
  const path = env.findLast((each) => each.startsWith('PATH='))?.slice('PATH='.length) ?? '';
  return path.split(':').map((folder) => posix.resolve('/', workingDir, folder, program));
}

function checkUser({ platform }: PlatformArtifact, { config }: ExpectedImage, files: Files): void {
  const [user = '', group = ''] = (config.user ?? '').split(':');
  for (const [name, list] of [
    [user, '/etc/passwd'],
    [group, '/etc/group'],
  ] as const) {
    if (/^\d*$/.test(name) || files.own.has(list)) continue;
    const { accounts, reference } = files.base ?? {};
    const known =
      list === '/etc/passwd' ? accounts && findUser(accounts, name) : accounts && findGroup(accounts, name);
    if (known !== undefined) continue;
    const lists = files.at(list) !== undefined;
    if (lists) {
      throw incomplete(
        platform,
        `USER ${config.user}: expected ${name} in ${list} of ${reference?.name}, found no line for it`,
        {
          hint: 'Use a name that the base has, or numbers, such as USER 65532:65532.',
        },
      );
    }
    throw incomplete(platform, `USER ${config.user}: expected ${list} to look ${name} up in, found none`, {
      hint: 'Use numbers, such as USER 65532:65532.',
    });
  }
}

function isExecutable({ mode }: Pick<ReadEntry, 'mode'>): boolean {
  return (mode & 0o111) !== 0;
}

function incomplete(platform: string, problem: string, options: { readonly hint: string }): PrebuiltError {
  return new PrebuiltError('IMAGE_INCOMPLETE', `image of ${platform}: ${problem}`, options);
}
