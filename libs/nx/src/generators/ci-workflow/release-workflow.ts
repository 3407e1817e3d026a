import { buildJob, planJob, testJob, verifyJob } from './build-jobs.ts';
import { attestJob, draftJob, imageJob, pageJob } from './publish-jobs.ts';
import type { ReleasedProgram, ReleaseSettings } from './release-settings.ts';
import { expression, jobText } from './workflow-text.ts';

/** A program's release workflow, from its tag to its image and page. */
export function releaseWorkflow(program: ReleasedProgram, settings: ReleaseSettings): string {
  const title = settings.alone ? 'Release' : `Release ${program.program}`;
  const group = settings.alone ? 'release' : `release-${program.program}`;
  const jobs = [
    planJob(program, settings),
    testJob(settings),
    buildJob(program, settings),
    verifyJob(program, settings),
    attestJob(program),
    ...(program.page ? [draftJob(program, settings)] : []),
    ...(program.repositories === undefined ? [] : [imageJob(program, settings)]),
    ...(program.page ? [pageJob(program, settings)] : []),
  ];
  // With v{version}, the tag is also a valid RELEASE_VERSION. Otherwise, the tag at HEAD determines the version.
  const version =
    program.tagPattern === 'v{version}' ? 'inputs.version || github.ref_name' : 'inputs.version';
  return `# Written by nx g @prebuilt/nx:ci-workflow; its options are in nx.json, under "generators".
# A pushed tag ${program.tagPattern} becomes a release. The jobs contain no logic: each one calls Nx targets.
# Releases use no cache, not even a remote one, whose failure would fail the run.
name: ${title}

on:
  push:
    tags: ['${program.tagPattern.replace('{version}', '*.*.*')}']
  # Run it on the tag ("Use workflow from"), with the tag's version.
  workflow_dispatch:
    inputs:
      version:
        description: The version to release, such as 1.2.3. Its tag must be on the commit where the workflow runs.
        required: true
        type: string

permissions: {}

defaults:
  run:
    shell: bash

# One release at a time, of any version, since "latest" depends on what is already published. Up to 100 wait.
concurrency:
  group: ${group}
  queue: max
  cancel-in-progress: false

env:
  RELEASE_VERSION: ${expression(version)}${settings.cloud ? "\n  NX_NO_CLOUD: 'true'" : ''}

jobs:
${jobs.map(jobText).join('\n\n')}
`;
}
