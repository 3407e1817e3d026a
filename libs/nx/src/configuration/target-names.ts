/** The targets that a project with a prebuilt.json gets, in the order of the pipeline. */
export const TARGETS = [
  'build-binaries',
  'verify',
  'docker-release',
  'docker-load',
  'sbom',
  'plan',
  'github-draft',
  'docker-publish',
  'github-release',
  'nx-release-publish',
] as const;

/** One of the targets that a project gets. */
export type TargetName = (typeof TARGETS)[number];

/** The tag that every project with a prebuilt.json has, by which nx.json names them all: `"projects": ["tag:prebuilt"]`. */
export const RELEASE_TAG = 'prebuilt';
