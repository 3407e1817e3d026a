import { ACTIONS } from './actions.ts';
import type { CiWorkflowOptions } from './options.ts';
import { expression, type Permission, run, use } from './workflow-text.ts';

/** How a job logs in to the registry. */
export interface RegistryLogin {
  readonly permissions: readonly Permission[];
  /** Steps that store the login in docker's configuration. */
  readonly steps: readonly string[];
}

const OIDC = 'The cloud authenticates the job by its identity token; no password is stored.';

/** Logs in to the registry in a variable, with the repository's user and secret. */
function bySecret(condition?: string): string {
  return use(
    ACTIONS.login,
    [
      `registry: ${expression('vars.REGISTRY')}`,
      `username: ${expression('vars.REGISTRY_USERNAME')}`,
      `password: ${expression('secrets.REGISTRY_PASSWORD')}`,
    ].join('\n'),
    condition === undefined ? {} : { condition },
  );
}

/**
 * How to log in to each registry. GITHUB_TOKEN is only ever sent to ghcr.io.
 * https://docs.github.com/actions/concepts/security/openid-connect
 */
export const LOGINS: Readonly<Record<CiWorkflowOptions['registry'], RegistryLogin>> = {
  ghcr: {
    permissions: [{ name: 'packages', access: 'write', why: 'to publish the image on ghcr.io' }],
    steps: [
      '# GITHUB_TOKEN is only for ghcr.io; another registry needs its own user and secret.',
      use(
        ACTIONS.login,
        [
          'registry: ghcr.io',
          `username: ${expression('github.actor')}`,
          `password: ${expression('secrets.GITHUB_TOKEN')}`,
        ].join('\n'),
        { condition: "startsWith(env.IMAGE, 'ghcr.io/')" },
      ),
      bySecret("!startsWith(env.IMAGE, 'ghcr.io/')"),
    ],
  },
  ecr: {
    permissions: [],
    steps: [
      `# ${OIDC}`,
      use(
        ACTIONS.aws,
        [
          `role-to-assume: ${expression('vars.AWS_ROLE')}`,
          `aws-region: ${expression('vars.AWS_REGION')}`,
        ].join('\n'),
      ),
      use(ACTIONS.ecr),
    ],
  },
  gar: {
    permissions: [],
    steps: [
      `# ${OIDC}`,
      use(
        ACTIONS.google,
        [
          `workload_identity_provider: ${expression('vars.GCP_WORKLOAD_IDENTITY_PROVIDER')}`,
          `service_account: ${expression('vars.GCP_SERVICE_ACCOUNT')}`,
          'token_format: access_token',
          'create_credentials_file: false',
        ].join('\n'),
        { id: 'google' },
      ),
      use(
        ACTIONS.login,
        [
          `registry: ${expression('vars.REGISTRY')}`,
          'username: oauth2accesstoken',
          `password: ${expression('steps.google.outputs.access_token')}`,
        ].join('\n'),
      ),
    ],
  },
  acr: {
    permissions: [],
    steps: [
      `# ${OIDC}`,
      use(
        ACTIONS.azure,
        [
          `client-id: ${expression('vars.AZURE_CLIENT_ID')}`,
          `tenant-id: ${expression('vars.AZURE_TENANT_ID')}`,
          `subscription-id: ${expression('vars.AZURE_SUBSCRIPTION_ID')}`,
        ].join('\n'),
      ),
      `${run('az acr login --name "$ACR_NAME"')}\n  env:\n    ACR_NAME: ${expression('vars.ACR_NAME')}`,
    ],
  },
  'docker-hub': {
    permissions: [],
    steps: [
      use(
        ACTIONS.login,
        [
          `username: ${expression('vars.DOCKERHUB_USERNAME')}`,
          `password: ${expression('secrets.DOCKERHUB_TOKEN')}`,
        ].join('\n'),
      ),
    ],
  },
  secret: { permissions: [], steps: [bySecret()] },
};
