import type { NxJsonConfiguration, Tree } from '@nx/devkit';
// Imported by file: Nx 22.0 has no "exports", and ESM can't import a folder.
import { VersionActions } from 'nx/release/index.js';

/** The version from which a program's first release is counted. */
const FIRST = '0.0.0';

type Changelog = false | { readonly createRelease?: unknown } | undefined;

/**
 * How `nx release` versions a program: by its git tags alone. No file contains the version, which is passed to the
 * compiler, so no file is changed. Refuses a workspace in which Nx itself would create the program's page on GitHub.
 * https://nx.dev/docs/extending-nx/tutorials/create-a-version-actions
 */
export default class GitTagVersionActions extends VersionActions {
  override validManifestFilenames: string[] | null = null;

  override async validate(tree: Tree): Promise<void> {
    const problem = pageTwice(
      this.projectGraphNode.data.targets ?? {},
      this.releaseGroup.changelog as Changelog,
      JSON.parse(tree.read('nx.json', 'utf8') ?? '{}'),
    );
    if (problem !== undefined) throw new Error(`${this.projectGraphNode.name}: ${problem}`);
  }

  /** Nx's fallback for a first release, when there is no tag yet. */
  override async readCurrentVersionFromSourceManifest() {
    return { currentVersion: FIRST, manifestPath: 'no file: not released yet' };
  }

  override async readCurrentVersionFromRegistry() {
    return null;
  }

  override async readCurrentVersionOfDependency() {
    return { currentVersion: null, dependencyCollection: null };
  }

  override async updateProjectVersion(_: Tree, newVersion: string): Promise<string[]> {
    return [`🏷️  ${newVersion} is not written to any file: it is in the tag`];
  }

  override async updateProjectDependencies(): Promise<string[]> {
    return [];
  }
}

/** Why the tag would get two release pages; undefined if it won't. */
export function pageTwice(
  targets: Readonly<Record<string, { readonly executor?: string }>>,
  changelog: Changelog,
  { release }: Pick<NxJsonConfiguration, 'release'>,
): string | undefined {
  const hasPage = Object.values(targets).some(({ executor }) => executor?.endsWith(':github-release'));
  const workspace = release?.changelog?.workspaceChangelog;
  const places = [
    [changelog, 'changelog'],
    [workspace, 'changelog.workspaceChangelog'],
  ] as const;
  const found = places.find(
    ([each]) => typeof each === 'object' && each.createRelease !== undefined && each.createRelease !== false,
  );
  if (!hasPage || found === undefined) return undefined;
  return `its release page would be created twice: by Nx, because of release.${found[1]}.createRelease in nx.json, and by github-release, with the files. Remove createRelease (Nx’s changelog becomes the page’s notes), or turn the program’s page off ("page": false in prebuilt.json)`;
}
