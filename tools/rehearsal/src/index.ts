export { type IdentityTokens, ISSUER, startIdentityTokens } from './identity.ts';
export { type RunEvent, type RunnerOptions, runWorkflow, starts, type WorkflowRun } from './runner.ts';
export { readWorkflow, type Workflow } from './workflow.ts';
