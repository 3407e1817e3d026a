import { readFile } from 'node:fs/promises';
import { PrebuiltError } from '../errors.ts';

/** The facts about the program in the workspace's package.json. */
export interface PackageFacts {
  readonly repository: string | undefined;
  readonly license: string | undefined;
}

/** Reads facts from a package.json; all undefined if there is none. Throws `INVALID_OPTIONS` if it can't be read. */
export async function readPackageFacts(path: string): Promise<PackageFacts> {
  let data: Readonly<Record<string, unknown>>;
  try {
    data = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      return { repository: undefined, license: undefined };
    throw new PrebuiltError('INVALID_OPTIONS', `${path}: can't be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  const { license } = data;
  return {
    repository: repositoryUrl(data.repository),
    license: typeof license === 'string' ? license : undefined,
  };
}

function repositoryUrl(repository: unknown): string | undefined {
  const named = typeof repository === 'object' && repository !== null && 'url' in repository;
  const text = named ? repository.url : repository;
  if (typeof text !== 'string') return undefined;
  const url = text.replace(/^git\+/, '').replace(/\.git$/, '');
  return URL.canParse(url) && url.startsWith('https://') ? url : undefined;
}
