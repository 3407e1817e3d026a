import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { posix } from './compiled.ts';
import type { SourceManifest } from './manifest.ts';

/** What packing one package needs to know about the others and the publisher. */
export interface WorkspaceFacts {
  /** The version of each published package, by name. */
  readonly versions: ReadonlyMap<string, string>;
  /** Names of packages that are not published. */
  readonly privateNames: ReadonlySet<string>;
  /** The URL of the repository, such as `https://github.com/acme/tools`, if known. */
  readonly repository: string | undefined;
}

/**
 * Reads the manifests of a workspace's packages. The repository is that in the root's package.json, or else that of the
 * current GitHub Actions job: npm accepts a provenance statement only if both are the same.
 *
 * @see https://docs.npmjs.com/generating-provenance-statements
 */
export function readWorkspaceFacts(root: string, env: NodeJS.ProcessEnv): WorkspaceFacts {
  const { workspaces, repository }: { workspaces: readonly string[]; repository?: string | { url: string } } =
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const manifests = workspaces
    .flatMap((pattern) => globSync(`${pattern}/package.json`, { cwd: root }))
    .map((path): SourceManifest => JSON.parse(readFileSync(join(root, path), 'utf8')));
  const published = manifests.filter((manifest) => manifest.private !== true);
  return {
    versions: new Map(published.map(({ name, version }) => [name, version])),
    privateNames: new Set(manifests.filter((manifest) => manifest.private).map(({ name }) => name)),
    repository:
      typeof repository === 'object'
        ? httpAddress(repository.url)
        : (httpAddress(repository) ?? runningIn(env)),
  };
}

/** The files in a folder that match a pattern, except those that match an excluded one, sorted. */
export function filesBelow(
  folder: string,
  pattern: string,
  excluded: readonly string[] = [],
): readonly string[] {
  return globSync(pattern, { cwd: folder, exclude: [...excluded], withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix(join(entry.parentPath, entry.name)).slice(posix(folder).length + 1))
    .sort();
}

function runningIn({ GITHUB_SERVER_URL, GITHUB_REPOSITORY }: NodeJS.ProcessEnv): string | undefined {
  if (!GITHUB_REPOSITORY) return undefined;
  return `${GITHUB_SERVER_URL ?? 'https://github.com'}/${GITHUB_REPOSITORY}`;
}

function httpAddress(url: string | undefined): string | undefined {
  return url?.replace(/^git\+/, '').replace(/\.git$/, '');
}
