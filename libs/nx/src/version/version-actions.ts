import type { NxJsonConfiguration, Tree } from '@nx/devkit';
// By its file: Nx 22.0 lists no exports, and a folder can't be imported.
import { VersionActions } from 'nx/release/index.js';

/** What the version of a program that was never released counts from. */
const FIRST = '0.0.0';

type Changelog = false | { readonly createRelease?: unknown } | undefined;

/**
 * How `nx release` versions a program: from its git tags alone. No file holds the version, which is told to the compiler,
 * so none is changed. Refuses a workspace in which Nx itself would make the program's page on GitHub.
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

  /** What Nx falls back to on a first release, where there is no tag yet. */
  override async readCurrentVersionFromSourceManifest() {
    return { currentVersion: FIRST, manifestPath: 'no file: it has no release yet' };
  }

  override async readCurrentVersionFromRegistry() {
    return null;
  }

  override async readCurrentVersionOfDependency() {
    return { currentVersion: null, dependencyCollection: null };
  }

  override async updateProjectVersion(_: Tree, newVersion: string): Promise<string[]> {
    return [`🏷️  ${newVersion} is not written to any file: the tag holds it`];
  }

  override async updateProjectDependencies(): Promise<string[]> {
    return [];
  }
}

/** Why two pages of one tag would be made; undefined where there is one at most. */
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
  return `its release page would be made twice: by Nx, as nx.json says (release, ${found[1]}.createRelease), and with its files by github-release. Remove createRelease, since what Nx writes into the changelog becomes the page’s notes; or give the program no page ("page": false in prebuilt.json)`;
}
