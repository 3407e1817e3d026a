export { scheduleRuns } from './concurrency.ts';
export type { EngineClient } from './engine-client.ts';
export { type IdentityTokens, ISSUER, startIdentityTokens } from './identity.ts';
export type { ContainerEngine } from './job-container.ts';
export { canOverlay } from './machine.ts';
export { dependabotProblems, lintWorkflow, RULES } from './rules.ts';
export {
  type RunEvent,
  type RunnerOptions,
  runWorkflow,
  starts,
  type WorkflowRun,
} from './runner.ts';
export { importStandInImage, type StandInImage } from './stand-in-image.ts';
export { type JobContainer, parseWorkflowText, readWorkflow, type Workflow } from './workflow.ts';
