import { logger, readNxJson, type Tree, updateNxJson } from '@nx/devkit';
import { RELEASE_TAG } from '../../configuration/target-names.ts';
import { isReleased, type ReleaseConfiguration, type ReleasedProject } from '../../version/release-config.ts';

const PROGRAMS = `tag:${RELEASE_TAG}`;
const TAG_OF_EACH = '{projectName}@{version}';

/**
 * Makes `npx nx release` release programs. By default, Nx releases only libraries. Keeps the existing release
 * configuration in nx.json; a workspace with groups gets an additional one.
 */
export function registerRelease(tree: Tree, project: Omit<ReleasedProject, 'tags'>): void {
  const nxJson = readNxJson(tree) ?? {};
  const release = nxJson.release as ReleaseConfiguration | undefined;
  const added = withPrograms(release, { ...project, tags: [RELEASE_TAG] });
  if (added === undefined) return;
  updateNxJson(tree, { ...nxJson, release: added as NonNullable<typeof nxJson.release> });
  logger.info(
    `nx.json: \`npx nx release\` releases every project with the tag ${RELEASE_TAG}, such as ${project.name}.`,
  );
}

/** The release configuration to write to nx.json; undefined if no change is needed. */
export function withPrograms(
  release: ReleaseConfiguration | undefined,
  project: ReleasedProject,
): ReleaseConfiguration | undefined {
  if (isReleased(release, project)) return undefined;
  if (release?.groups === undefined) {
    const former = release?.projects ?? [];
    const projects = typeof former === 'string' ? former.split(',') : former;
    return { ...release, projects: [...projects, PROGRAMS] };
  }
  const own = release.releaseTag?.pattern;
  const programs = {
    projects: [PROGRAMS],
    projectsRelationship: 'independent' as const,
    releaseTag: { pattern: own?.includes('{projectName}') ? own : TAG_OF_EACH },
  };
  const name = release.groups.programs === undefined ? 'programs' : RELEASE_TAG;
  return { ...release, groups: { ...release.groups, [name]: programs } };
}
