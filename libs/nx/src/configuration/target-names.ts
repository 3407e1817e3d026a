/** The targets inferred for a project with a prebuilt.json, in pipeline order. */
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

/** The name of an inferred target. */
export type TargetName = (typeof TARGETS)[number];

/** The tag of every project with a prebuilt.json; in nx.json, `"projects": ["tag:prebuilt"]` selects them all. */
export const RELEASE_TAG = 'prebuilt';
