import { minimatch } from 'minimatch';
import { parseTagPattern, type TagPattern } from './tag-pattern.ts';

type Relationship = 'fixed' | 'independent';

interface ReleaseTag {
  readonly pattern?: string | undefined;
}

/** What nx.json says of releases, as far as it names tags; the flat `releaseTagPattern` is Nx 22's. */
export interface ReleaseConfiguration {
  readonly projectsRelationship?: Relationship | undefined;
  readonly releaseTag?: ReleaseTag | undefined;
  readonly releaseTagPattern?: string | undefined;
  readonly groups?: Readonly<Record<string, ReleaseGroup>> | undefined;
}

interface ReleaseGroup {
  readonly projects: string | readonly string[];
  readonly projectsRelationship?: Relationship | undefined;
  readonly releaseTag?: ReleaseTag | undefined;
  readonly releaseTagPattern?: string | undefined;
}

/** A project as far as a release group can select it. */
export interface ReleasedProject {
  readonly name: string;
  /** Relative to the workspace's root. */
  readonly root: string;
  readonly tags: readonly string[];
}

/**
 * The tag pattern of a project: that of its release group, else the workspace's, else Nx's own default for the
 * relationship of the projects. Throws `INVALID_OPTIONS` for a pattern without `{version}`.
 * https://nx.dev/docs/reference/nx-json#release
 */
export function tagPatternOf(
  release: ReleaseConfiguration | undefined,
  project: ReleasedProject,
): TagPattern {
  const groups = Object.entries(release?.groups ?? {});
  const [groupName, group] = groups.find(([, { projects }]) => selects(projects, project)) ?? [];
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

// Names, globs of names and of folders, `tag:`, and `!` to leave out, in the order given.
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
