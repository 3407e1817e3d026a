import type { ReleasePublishPlan } from './plan.ts';

/** The plan as lines for a terminal. */
export function formatReleasePlan(plan: ReleasePublishPlan): string {
  if (plan.action === 'leave') return `${plan.project}: left alone, since ${plan.reason}`;
  const { project, version, tag, build, pushTo, steps, leftOut } = plan;
  return [
    `${project}: version ${version}, tag ${tag}`,
    `  ${build.join(', ')}  before anything is sent`,
    ...(pushTo === undefined
      ? []
      : [`  git push     the tag goes to ${pushTo}, the branch does not: push it yourself`]),
    ...steps.map(({ target, dryRun, reason }) => `  ${target}  ${reason}${dryRun ? ' (dry run)' : ''}`),
    ...(leftOut === undefined ? [] : [`  ${leftOut}  comes last, in a real run`]),
  ].join('\n');
}
