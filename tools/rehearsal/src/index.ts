export { scheduleRuns } from './concurrency.ts';
export { type IdentityTokens, ISSUER, startIdentityTokens } from './identity.ts';
export { dependabotProblems, lintWorkflow, RULES } from './rules.ts';
export {
  canOverlay,
  type RunEvent,
  type RunnerOptions,
  runWorkflow,
  starts,
  type WorkflowRun,
} from './runner.ts';
export { parseWorkflowText, readWorkflow, type Workflow } from './workflow.ts';
