import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Claims } from '@prebuilt/testing/sigstore';
import { execa } from 'execa';
import { ACTIONS, type ActionScope, ArtifactStore, type Attestation } from './actions.ts';
import { holds, interpolate, type Json, type Scope } from './expressions.ts';
import type { IdentityTokens } from './identity.ts';
import { type ContainerEngine, startJobContainer } from './job-container.ts';
import { type JobFolders, type Machine, makeJobFolders, thisMachine } from './machine.ts';
import type { Scalars, Workflow, WorkflowJob, WorkflowStep } from './workflow.ts';

/** The event that starts a run. */
export interface RunEvent {
  readonly event: 'push' | 'pull_request' | 'workflow_dispatch';
  readonly ref: string;
  readonly sha: string;
  readonly inputs?: Readonly<Record<string, string>>;
}

/** The environment and settings of a run. */
export interface RunnerOptions {
  /** The folder for everything that the run writes. */
  readonly folder: string;
  /** The repository that checkouts come from. */
  readonly origin: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly token: string;
  readonly vars: Readonly<Record<string, string>>;
  /** The repository's secrets, in addition to GITHUB_TOKEN. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Who can see the repository, which belongs to a user. Default: public. */
  readonly visibility?: 'public' | 'private';
  /** Which jobs another attempt runs. Default: those that failed, and those that need them. */
  readonly rerun?: 'failed' | 'all';
  readonly env: Readonly<Record<string, string>>;
  /** Additional environment for single jobs, by job id. */
  readonly jobEnv?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dockerConfig: string;
  readonly caches: Map<string, string>;
  readonly lastGreen?: string;
  /** Called with a job's folder after each checkout, to add what a warm machine already has. */
  readonly warm: (workspace: string) => Promise<void>;
  /**
   * Folders that every workspace starts with, by their name in it. Scripts see them through an overlay: what they change
   * stays on their machine, next to the workspace. Needs `canOverlay`.
   */
  readonly overlays?: Readonly<Record<string, string>>;
  /**
   * What runs jobs with `container:` in a real container. Without it, their scripts run directly on this machine, like
   * those of other jobs, and the container's options have no effect.
   */
  readonly containers?: ContainerEngine;
  /** Issues identity tokens to jobs with permission to request them. */
  readonly identity?: Pick<IdentityTokens, 'environmentOf'>;
  /** Signs the statement of an attestation with the identity in the claims. Returns the bundle as JSON. */
  readonly sign: (statement: object, claims: Claims) => Promise<string>;
  /** Ids of jobs for which every started program is recorded. */
  readonly traced?: readonly string[];
  /** Serializes steps that can't run in parallel on one machine; runs the others immediately. */
  readonly queue?: <T>(script: string, step: () => Promise<T>) => Promise<T>;
  /** Scripts to skip as successful because an earlier run covered them; the log says so. Default: none. */
  readonly shown?: (script: string) => boolean;
  /** Called before each script with its job's key and folder, to make something go wrong on that machine. */
  readonly mishap?: (key: string, script: string, workspace: string) => Promise<void>;
}

/** The result of a job, or of a single job of a matrix. */
export interface JobResult {
  readonly id: string;
  readonly key: string;
  readonly result: 'success' | 'failure' | 'skipped';
  readonly permissions: Readonly<Record<string, string>>;
  /** Contains everything that belongs to the job; empty if it was skipped. */
  readonly folder: string;
  readonly workspace: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly log: string;
  readonly summary: string;
  /** The trace of a traced job; otherwise empty. */
  readonly trace: string;
  readonly milliseconds: number;
}

/** A run of a workflow. */
export interface WorkflowRun {
  readonly jobs: readonly JobResult[];
  readonly attestations: readonly Attestation[];
  readonly artifacts: ArtifactStore;
  readonly attempt: number;
}

const STEP_MS = 420_000;

/**
 * Put before npm's own npx on PATH. It starts an installed program as npx would, without starting npm to find it, and
 * leaves everything else to npm's.
 */
const NPX = `#!/bin/sh
folder=\${0%/*}
if [ -x "node_modules/.bin/$1" ]; then
  PATH=$PWD/node_modules/.bin:$PATH exec "node_modules/.bin/$@"
fi
PATH=\${PATH#"$folder:"}
exec npx "$@"
`;

/** Whether the event starts the workflow, according to its branch and tag filters. */
export function starts(workflow: Workflow, { event, ref }: Pick<RunEvent, 'event' | 'ref'>): boolean {
  const filters = workflow.template.events[event] as
    | { readonly branches?: readonly string[]; readonly tags?: readonly string[] }
    | undefined;
  if (filters === undefined) return false;
  if (event !== 'push') return true;
  const [, kind, name = ''] = /^refs\/(heads|tags)\/(.+)$/.exec(ref) ?? [];
  const patterns = kind === 'tags' ? filters.tags : filters.branches;
  if (patterns === undefined) return filters.branches === undefined && filters.tags === undefined;
  return patterns.some((pattern) => filterPattern(pattern).test(name));
}

// https://docs.github.com/actions/reference/workflow-syntax-for-github-actions#filter-pattern-cheat-sheet
function filterPattern(pattern: string): RegExp {
  const parts = pattern
    .split(/(\*\*|\*)/)
    .map((part) => (part === '**' ? '.*' : part === '*' ? '[^/]*' : RegExp.escape(part)));
  return new RegExp(`^${parts.join('')}$`);
}

/**
 * Runs the jobs of a workflow one after another (those of a matrix in parallel), each with its own folder and home:
 * scripts in bash exactly as written, actions by their stand-ins. Jobs on macOS are skipped. With a former run, makes
 * another attempt at it: unless all jobs are to be rerun, those that succeeded are kept with their outputs.
 * https://docs.github.com/actions/how-tos/manage-workflow-runs/re-run-workflows-and-jobs
 */
export async function runWorkflow(
  workflow: Workflow,
  started: RunEvent,
  options: RunnerOptions,
  former?: WorkflowRun,
): Promise<WorkflowRun> {
  const programs = await writePrograms(options.folder);
  const attempt = (former?.attempt ?? 0) + 1;
  const artifacts = former?.artifacts ?? new ArtifactStore(await mkdtemp(join(options.folder, 'artifacts-')));
  artifacts.attempt = attempt;
  const attestations: Attestation[] = [];
  const done: JobResult[] = [];
  const inputs = started.inputs ?? {};
  const visibility = options.visibility ?? 'public';
  const ranAgain = new Set<string>();
  const github: Json = {
    event_name: started.event,
    ref: started.ref,
    ref_name: started.ref.replace(/^refs\/(heads|tags|pull)\//, ''),
    sha: started.sha,
    repository: options.repository,
    actor: 'somebody',
    run_attempt: attempt,
    run_id: '1',
    token: options.token,
    event: { inputs, repository: { visibility, private: visibility === 'private' } },
  };
  const common = {
    github,
    inputs,
    vars: options.vars,
    secrets: { ...options.secrets, GITHUB_TOKEN: options.token },
    runner: { os: 'Linux', arch: 'X64' },
  };
  for (const [id, job] of Object.entries(workflow.jobs)) {
    const needs = [job.needs ?? []].flat();
    const again = options.rerun === 'all' || needs.some((each) => ranAgain.has(each));
    const before = again ? [] : (former?.jobs.filter((each) => each.id === id) ?? []);
    const kept = before.filter(({ result }) => result === 'success');
    if (kept.length > 0 && kept.length === before.length) {
      done.push(...kept);
      continue;
    }
    ranAgain.add(id);
    const needed = done.filter((each) => needs.includes(each.id));
    const status = needed.every(({ result }) => result === 'success') ? 'success' : 'failure';
    const contexts = { ...common, needs: needsContext(needed) };
    // There is no Mac here.
    if (job['runs-on'].startsWith('macos-') || !holds(job.if, { contexts, status })) {
      done.push(skipped(id));
      continue;
    }
    // The jobs of a matrix run in parallel, and a failure does not stop the others.
    if (job.strategy !== undefined && job.strategy['fail-fast'] !== false)
      throw new Error(`${id}: expected fail-fast: false, the only mode that can be rehearsed`);
    const running = (job.strategy?.matrix.include ?? [undefined]).map(async (matrix) => {
      const key = matrix === undefined ? id : `${id} (${Object.values(matrix).join(', ')})`;
      const former = kept.find((each) => each.key === key);
      if (former !== undefined) return former;
      const folder = await mkdtemp(join(options.folder, `${id}-`));
      const scope: JobScope = {
        id,
        key,
        job,
        folder,
        programs,
        workflow,
        started,
        options,
        artifacts,
        attestations,
        contexts: { ...contexts, ...(matrix === undefined ? {} : { matrix }) },
      };
      return runJob(scope);
    });
    done.push(...(await Promise.all(running)));
  }
  return { jobs: done, attestations, artifacts, attempt };
}

interface JobScope {
  readonly id: string;
  readonly key: string;
  readonly job: WorkflowJob;
  readonly folder: string;
  /** The folder that comes first on PATH. */
  readonly programs: string;
  readonly workflow: Workflow;
  readonly started: RunEvent;
  readonly options: RunnerOptions;
  readonly artifacts: ArtifactStore;
  readonly attestations: Attestation[];
  readonly contexts: Readonly<Record<string, Json>>;
}

async function writePrograms(folder: string): Promise<string> {
  const programs = join(folder, 'programs');
  await mkdir(programs, { recursive: true });
  // Another run may be starting it.
  const fresh = join(programs, randomBytes(8).toString('hex'));
  await writeFile(fresh, NPX, { mode: 0o755 });
  await rename(fresh, join(programs, 'npx'));
  return programs;
}

function needsContext(needed: readonly JobResult[]): Json {
  return Object.fromEntries(needed.map(({ id, result, outputs }) => [id, { result, outputs }]));
}

function skipped(id: string): JobResult {
  const nothing = {
    permissions: {},
    folder: '',
    workspace: '',
    outputs: {},
    log: '',
    summary: '',
    trace: '',
    milliseconds: 0,
  };
  return { id, key: id, result: 'skipped', ...nothing };
}

async function runJob(scope: JobScope): Promise<JobResult> {
  const folders = await makeJobFolders(scope.folder, scope.options.repository);
  let machine: Machine;
  try {
    machine = await startMachine(scope, folders);
  } catch (error) {
    // The runner starts the container in a step of its own, before the job's first one.
    const log = `::group::Initialize containers\nError: ${messageOf(error)}`;
    const { root: folder, workspace } = folders;
    return { ...skipped(scope.id), key: scope.key, result: 'failure', folder, workspace, log };
  }
  try {
    return await runSteps(scope, folders, machine);
  } finally {
    await machine[Symbol.asyncDispose]();
  }
}

async function startMachine(scope: JobScope, folders: JobFolders): Promise<Machine> {
  const { job, options, programs } = scope;
  const common = { folders, programs, overlays: options.overlays ?? {} };
  if (job.container === undefined || options.containers === undefined)
    return thisMachine({ ...common, env: options.env }, join(options.folder, 'runner'));
  const { contexts } = scope;
  const env = evaluated(job.container.env, { contexts, status: 'success' });
  return startJobContainer(options.containers, job.container, { ...common, env });
}

async function runSteps(scope: JobScope, folders: JobFolders, machine: Machine): Promise<JobResult> {
  const { id, key, job, options } = scope;
  const begun = Date.now();
  const { workspace, home, temp } = folders;
  const permissions = job.permissions ?? {};
  const action: ActionScope = {
    workspace,
    home,
    origin: options.origin,
    ref: scope.started.ref,
    sha: scope.started.sha,
    event: scope.started.event,
    permissions,
    token: options.token,
    visibility: options.visibility ?? 'public',
    artifacts: scope.artifacts,
    caches: options.caches,
    attestations: scope.attestations,
    sign: (statement) => options.sign(statement, claimsOf(scope)),
    temp,
    lastGreen: options.lastGreen,
    dockerConfig: options.dockerConfig,
    path: options.env.PATH ?? '',
  };
  const steps: Record<string, Json> = {};
  const posts: (() => Promise<void>)[] = [];
  const log: string[] = [];
  let added: Readonly<Record<string, string>> = {};
  let status: Scope['status'] = 'success';
  const inContext = (scalars: Scalars | undefined, env: Json) =>
    evaluated(scalars, { contexts: { ...scope.contexts, steps, env }, status });
  const workflowEnv = inContext(scope.workflow.env, {});
  const jobEnv = { ...workflowEnv, ...inContext(job.env, workflowEnv) };
  const identity = permissions['id-token'] === 'write' ? identityEnvironment(scope) : {};
  for (const [index, step] of job.steps.entries()) {
    const env = { ...jobEnv, ...added };
    if (!holds(step.if, { contexts: { ...scope.contexts, steps, env }, status })) {
      if (step.id !== undefined) steps[step.id] = { outputs: {}, outcome: 'skipped', conclusion: 'skipped' };
      continue;
    }
    const stepEnv = { ...env, ...inContext(step.env, env) };
    let outputs: Readonly<Record<string, string>> = {};
    let outcome: 'success' | 'failure' = 'success';
    log.push(`::group::${step.name ?? step.uses ?? step.run}`);
    try {
      if (step.uses !== undefined) {
        const result = await runAction(step, inContext(step.with, env), action);
        outputs = result.outputs ?? {};
        added = { ...added, ...result.env };
        if (result.post !== undefined) posts.unshift(result.post);
        if (step.uses.startsWith('actions/checkout@')) await options.warm(workspace);
      } else {
        const script = step.run ?? '';
        await options.mishap?.(key, script, workspace);
        const begin = () => runScript(script, index, { ...identity, ...stepEnv }, scope, folders, machine);
        const ended =
          options.shown?.(script) === true
            ? { exitCode: 0, output: 'skipped: covered by an earlier run', outputs: {} }
            : await (options.queue?.(script, begin) ?? begin());
        log.push(ended.output);
        outputs = ended.outputs;
        if (ended.exitCode !== 0) throw new Error(`Process completed with exit code ${ended.exitCode}.`);
      }
    } catch (error) {
      outcome = 'failure';
      log.push(`Error: ${messageOf(error)}`);
    }
    const goesOn = outcome === 'failure' && step['continue-on-error'] === true;
    if (outcome === 'failure' && !goesOn) status = 'failure';
    if (step.id !== undefined)
      steps[step.id] = { outputs, outcome, conclusion: goesOn ? 'success' : outcome };
  }
  for (const post of posts) await post();
  return {
    id,
    key,
    result: status,
    permissions,
    folder: folders.root,
    workspace,
    outputs: inContext(job.outputs, jobEnv),
    log: log.join('\n'),
    summary: await readText(join(temp, 'summary')),
    trace: await readText(join(scope.folder, 'trace')),
    milliseconds: Date.now() - begun,
  };
}

function evaluated(scalars: Scalars | undefined, scope: Scope): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(scalars ?? {}).map(([name, value]) => [name, interpolate(value, scope)]),
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// https://docs.github.com/actions/reference/security/oidc#oidc-token-claims
function claimsOf({ options, started, workflow }: JobScope): Claims {
  const { event, ref, sha } = started;
  const { repository } = options;
  const file = `${repository}/.github/workflows/${workflow.file}@${ref}`;
  return {
    sub: `repo:${repository}:${event === 'pull_request' ? event : `ref:${ref}`}`,
    repository,
    repository_owner: repository.split('/')[0] ?? '',
    event_name: event,
    ref,
    sha,
    workflow: workflow.name,
    workflow_ref: file,
    workflow_sha: sha,
    job_workflow_ref: file,
    job_workflow_sha: sha,
    runner_environment: 'github-hosted',
  };
}

function identityEnvironment(scope: JobScope): Readonly<Record<string, string>> {
  return scope.options.identity?.environmentOf(claimsOf(scope)) ?? {};
}

function runAction(step: WorkflowStep, inputs: Readonly<Record<string, string>>, scope: ActionScope) {
  const name = step.uses?.replace(/@.*/, '') ?? '';
  const action = ACTIONS[name];
  if (action === undefined) throw new Error(`${name}: no stand-in for this action`);
  return action(inputs, scope);
}

async function runScript(
  script: string,
  index: number,
  stepEnv: Readonly<Record<string, string>>,
  { id, folder, workflow, started, options }: JobScope,
  { workspace, home, temp }: JobFolders,
  machine: Machine,
) {
  const file = join(temp, `step-${index}.sh`);
  const output = join(temp, `output-${index}`);
  await writeFile(file, script);
  await writeFile(output, '');
  const shell = ['bash', '--noprofile', '--norc', '-eo', 'pipefail', machine.pathOf(file)];
  const traced = options.traced?.includes(id) === true;
  const trace = join(temp, `trace-${index}`);
  const strace = [
    'strace',
    '--follow-forks',
    '--seccomp-bpf',
    '--trace=execve,clone,clone3,fork,vfork',
    '--string-limit=4096',
    `--output=${machine.pathOf(trace)}`,
  ];
  const command = machine.command(traced ? [...strace, ...shell] : shell, {
    ...options.jobEnv?.[id],
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    HOME: home,
    RUNNER_TEMP: temp,
    GITHUB_WORKSPACE: workspace,
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_REPOSITORY: options.repository,
    GITHUB_WORKFLOW_REF: `${options.repository}/.github/workflows/${workflow.file}@${started.ref}`,
    GITHUB_REF: started.ref,
    GITHUB_REF_NAME: started.ref.replace(/^refs\/(heads|tags|pull)\//, ''),
    GITHUB_SHA: started.sha,
    GITHUB_EVENT_NAME: started.event,
    GITHUB_OUTPUT: output,
    GITHUB_STEP_SUMMARY: join(temp, 'summary'),
    ...stepEnv,
  });
  const ended = await execa(command.file, command.args, {
    cwd: command.cwd,
    extendEnv: false,
    env: command.env,
    all: true,
    reject: false,
    stdin: 'ignore',
    timeout: STEP_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (traced) await writeFile(join(folder, 'trace'), await readText(trace), { flag: 'a' });
  return {
    exitCode: ended.exitCode ?? 1,
    output: ended.all,
    outputs: parseOutputs(await readText(output)),
  };
}

/** Parses `name=value` lines and `name<<delimiter` blocks. */
export function parseOutputs(text: string): Readonly<Record<string, string>> {
  const outputs: Record<string, string> = {};
  const lines = text.split('\n');
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, name, kind, rest = ''] = /^([^=<]+)(=|<<)(.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    if (kind === '=') outputs[name] = rest;
    else
      outputs[name] = lines
        .splice(0, lines.indexOf(rest) + 1)
        .slice(0, -1)
        .join('\n');
  }
  return outputs;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}
