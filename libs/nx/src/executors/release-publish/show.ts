import type { ReleasePublishPlan } from './plan.ts';

/** The plan as lines for a terminal. */
export function formatReleasePlan(plan: ReleasePublishPlan): string {
  if (plan.action === 'leave') return `${plan.project}: skipped, because ${plan.reason}`;
  const { project, version, tag, build, pushTo, steps, leftOut } = plan;
  return [
    `${project}: version ${version}, tag ${tag}`,
    `  ${build.join(', ')}  before anything is sent`,
    ...(pushTo === undefined
      ? []
      : [`  git push     pushes the tag to ${pushTo}, but not the branch: push that yourself`]),
    ...steps.map(({ target, dryRun, reason }) => `  ${target}  ${reason}${dryRun ? ' (dry run)' : ''}`),
    ...(leftOut === undefined ? [] : [`  ${leftOut}  runs last in a real release`]),
  ].join('\n');
}
