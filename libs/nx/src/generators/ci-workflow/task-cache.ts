import type { CiWorkflowOptions } from './options.ts';
import { expression } from './workflow-text.ts';

/** Where CI finds the results of earlier tasks. */
export type TaskCache = CiWorkflowOptions['cache'];

/** A secret that only pushes get, or else one for pull requests; those from forks get neither. */
function token(writing: string, reading: string): string {
  return expression(`github.event_name == 'push' && secrets.${writing} || secrets.${reading}`);
}

/** The variables of a step that runs tasks, as lines of YAML. GitHub's own cache needs none. */
export const CACHE_VARIABLES: Readonly<Record<TaskCache, readonly string[]>> = {
  github: [],
  'nx-cloud': [`NX_CLOUD_ACCESS_TOKEN: ${token('NX_CLOUD_ACCESS_TOKEN', 'NX_CLOUD_READ_TOKEN')}`],
  'self-hosted': [
    // Without a token, the server would refuse the request, and Nx would fail the run.
    `NX_SELF_HOSTED_REMOTE_CACHE_SERVER: ${expression("secrets.NX_CACHE_READ_TOKEN && vars.NX_CACHE_SERVER || ''")}`,
    `NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN: ${token('NX_CACHE_WRITE_TOKEN', 'NX_CACHE_READ_TOKEN')}`,
  ],
};

/** What the workflow says about its cache, as a comment. */
export const CACHE_COMMENTS: Readonly<Record<TaskCache, string>> = {
  github: '# There is no remote cache: if its server were down or refused the token, Nx would fail the run.',
  'nx-cloud': '# Results of tasks come from Nx Cloud. Only pushes have the token that may write.',
  'self-hosted': `# Results of tasks come from the server in NX_CACHE_SERVER. Only pushes have the token that may write. If the server
# is down or refuses a token, Nx fails the run; forks have no token, and use no server.`,
};
