import { posix } from 'node:path';
import { minimatch } from 'minimatch';
import { parseTagPattern, type TagPattern } from './tag-pattern.ts';

type Relationship = 'fixed' | 'independent';

interface ReleaseTag {
  readonly pattern?: string | undefined;
}

type Changelog = boolean | { readonly file?: string | false | undefined };

interface Versioning {
  readonly versionActions?: string | undefined;
}

/** The parts of nx.json's release configuration that are used here. The flat `releaseTagPattern` is from Nx 22. */
export interface ReleaseConfiguration {
  readonly projects?: string | readonly string[] | undefined;
  readonly version?: Versioning | undefined;
  readonly changelog?:
    | {
        readonly workspaceChangelog?: Changelog | undefined;
        readonly projectChangelogs?: Changelog | undefined;
      }
    | undefined;
  readonly projectsRelationship?: Relationship | undefined;
  readonly releaseTag?: ReleaseTag | undefined;
  readonly releaseTagPattern?: string | undefined;
  readonly groups?: Readonly<Record<string, ReleaseGroup>> | undefined;
}

interface ReleaseGroup {
  readonly projects: string | readonly string[];
  readonly version?: Versioning | undefined;
  readonly changelog?: Changelog | undefined;
  readonly projectsRelationship?: Relationship | undefined;
  readonly releaseTag?: ReleaseTag | undefined;
  readonly releaseTagPattern?: string | undefined;
}

/** The properties by which a release group can select a project. */
export interface ReleasedProject {
  readonly name: string;
  /** Relative to the workspace root. */
  readonly root: string;
  readonly tags: readonly string[];
}

/**
 * A project's tag pattern: its release group's, or else the workspace's, or else Nx's default for the projects'
 * relationship. Throws `INVALID_OPTIONS` for a pattern without `{version}`.
 * https://nx.dev/docs/reference/nx-json#release
 */
export function tagPatternOf(
  release: ReleaseConfiguration | undefined,
  project: ReleasedProject,
): TagPattern {
  const [groupName, group] = groupOf(release, project) ?? [];
  const own = (config: ReleaseConfiguration | ReleaseGroup | undefined) =>
    config?.releaseTag?.pattern ?? config?.releaseTagPattern;
  const relationship = group?.projectsRelationship ?? release?.projectsRelationship ?? 'fixed';
  const byRelationship =
    relationship === 'independent'
      ? '{projectName}@{version}'
      : groupName === undefined
        ? 'v{version}'
        : '{releaseGroupName}-v{version}';
  return parseTagPattern(own(group) ?? own(release) ?? byRelationship, {
    projectName: project.name,
    releaseGroupName: groupName,
  });
}

function groupOf(release: ReleaseConfiguration | undefined, project: ReleasedProject) {
  return Object.entries(release?.groups ?? {}).find(([, { projects }]) => selects(projects, project));
}

/** Whether nx.json explicitly selects the project for `nx release`. By default, Nx selects only libraries. */
export function isReleased(release: ReleaseConfiguration | undefined, project: ReleasedProject): boolean {
  if (release?.groups !== undefined) return groupOf(release, project) !== undefined;
  return release?.projects !== undefined && selects(release.projects, project);
}

/** Whether nx.json itself sets how to version the project, for all projects or for its group. */
export function namesVersionActions(
  release: ReleaseConfiguration | undefined,
  project: ReleasedProject,
): boolean {
  const [, group] = groupOf(release, project) ?? [];
  return (group?.version?.versionActions ?? release?.version?.versionActions) !== undefined;
}

/**
 * The changelog files that Nx writes for a release of the project, relative to the workspace root: first its own, then
 * the workspace's, which Nx writes for projects that share a version.
 * https://nx.dev/docs/reference/nx-json#changelog
 */
export function changelogFiles(
  release: ReleaseConfiguration | undefined,
  project: ReleasedProject,
): readonly string[] {
  if (release === undefined || !isReleased(release, project)) return [];
  const [groupName, group] = groupOf(release, project) ?? [];
  const own = group?.changelog ?? release.changelog?.projectChangelogs ?? false;
  const shared = release.changelog?.workspaceChangelog ?? true;
  const files = [
    fileOf(own, '{projectRoot}/CHANGELOG.md'),
    group?.projectsRelationship === 'independent'
      ? undefined
      : fileOf(shared, '{workspaceRoot}/CHANGELOG.md'),
  ];
  return files.flatMap((file) =>
    file === undefined
      ? []
      : posix.normalize(
          file
            .replaceAll('{projectRoot}', project.root)
            .replaceAll('{projectName}', project.name)
            .replaceAll('{releaseGroupName}', groupName ?? '')
            .replace(/^\{workspaceRoot\}\/?/, ''),
        ),
  );
}

function fileOf(changelog: Changelog, usual: string): string | undefined {
  if (changelog === false) return undefined;
  const file = changelog === true ? usual : (changelog.file ?? usual);
  return file === false ? undefined : file;
}

// Names, globs for names and folders, `tag:`, and `!` to exclude, applied in order.
// https://nx.dev/docs/reference/nx-commands#projects
function selects(projects: string | readonly string[], project: ReleasedProject): boolean {
  const patterns = typeof projects === 'string' ? projects.split(',') : projects;
  let selected = patterns[0]?.startsWith('!') ?? false;
  for (const pattern of patterns) {
    const leavesOut = pattern.startsWith('!');
    const text = pattern.slice(leavesOut ? 1 : 0).trim();
    if (matches(text, project)) selected = !leavesOut;
  }
  return selected;
}

function matches(text: string, { name, root, tags }: ReleasedProject): boolean {
  if (text.startsWith('tag:')) return tags.some((tag) => minimatch(tag, text.slice('tag:'.length)));
  const folder = text.startsWith('directory:') ? text.slice('directory:'.length) : text;
  return text === name || minimatch(name, text) || minimatch(root, folder) || name.endsWith(`/${text}`);
}
