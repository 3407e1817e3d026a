import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ContainerEngine,
  type JobContainer,
  parseWorkflowText,
  readWorkflow,
  runWorkflow,
} from '@prebuilt/rehearsal';
import { engineEnvironment, exitProgram, requireEngine } from '@prebuilt/testing/engine';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { jobContainers } from './testing/job-containers.ts';
import { THIS_WORKSPACE } from './testing/workspace.ts';

const engine = await engineEnvironment();

/** Where the container finds this workspace. */
const SOURCES = '/opt/sources';
const FACTS = `echo "root is $(findmnt --noheadings --output FSTYPE /)"
echo "checkout is $PWD, on $(findmnt --noheadings --output TARGET --target .)"
echo "home is $HOME"
echo "cgroup is $(sed -n s/^0:://p /proc/self/cgroup)"
echo "name=$(basename "$GITHUB_WORKSPACE")" >>"$GITHUB_OUTPUT"
echo 'From the container' >>"$GITHUB_STEP_SUMMARY"
touch made-in-the-container
`;
const GIT = `git init --quiet
git status --short || echo "git refused with $?"
git config --global --add safe.directory "$GITHUB_WORKSPACE"
git status --short
`;
const START = 'node "$ENGINE" up --format=env >"$RUNNER_TEMP/engine"';
const USE = `. "$RUNNER_TEMP/engine"
base64 --decode <<<"$PROGRAM" >exit
chmod +x exit
tar --create exit | docker import --change 'ENTRYPOINT ["/exit"]' - exit
docker run --rm exit || (($? == 7))
`;

async function containerOf(workflow: string, job: string): Promise<JobContainer> {
  const { jobs } = await readWorkflow(join(THIS_WORKSPACE, '.github/workflows', workflow));
  const container = jobs[job]?.container;
  if (container === undefined) throw new Error(`${workflow}: expected a container for ${job}, found none`);
  return container;
}

describe('the test job of a release', { timeout: 300_000 }, () => {
  let folder: string;
  let containers: ContainerEngine & AsyncDisposable;

  beforeEach(({ skip }) => void requireEngine(engine, skip));
  beforeAll(async () => {
    if (!engine.available) return;
    folder = await mkdtemp(join(tmpdir(), 'job-containers-'));
    containers = await jobContainers(engine.environment, [], [`${THIS_WORKSPACE}:${SOURCES}:ro`]);
  });
  afterAll(async () => {
    await containers?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  /** Runs steps in the container of the release's test job, or in one with some of its settings changed. */
  async function runSteps(steps: readonly object[], change = (container: JobContainer): object => container) {
    const container = await containerOf('release.yml', 'test');
    const env = {
      ENGINE: join(SOURCES, 'tools/testing/src/engine/main.ts'),
      PROGRAM: exitProgram(process.arch === 'arm64' ? 'arm64' : 'amd64', 7).toString('base64'),
    };
    const job = { 'runs-on': 'ubuntu-24.04', permissions: {}, container: change(container), env, steps };
    const text = stringify({ name: 'Changed', on: 'push', permissions: {}, jobs: { test: job } });
    const { jobs } = await runWorkflow(
      await parseWorkflowText(text, 'changed.yml'),
      { event: 'push', ref: 'refs/heads/main', sha: 'a'.repeat(40) },
      {
        folder,
        origin: folder,
        repository: 'owner/name',
        token: 'ghs_token',
        vars: {},
        env: {},
        dockerConfig: folder,
        caches: new Map(),
        warm: async () => undefined,
        sign: async (statement) => JSON.stringify(statement),
        containers,
      },
    );
    const [result] = jobs;
    if (result === undefined) throw new Error('no job');
    return result;
  }

  it('the test job has its own root and cgroups of the machine, and its engine runs containers', async () => {
    const job = await runSteps([
      { id: 'facts', run: FACTS },
      { run: 'echo "given $GIVEN"', env: { GIVEN: `\${{ steps.facts.outputs.name }}` } },
      { run: GIT },
      { run: START },
      { run: USE },
      { run: 'exit 3' },
      { run: 'echo "after the failure"', if: 'failure()' },
    ]);
    expect(job.log).toContain('root is overlay\n');
    expect(job.log).toContain('checkout is /__w/name/name, on /__w\n');
    expect(job.log).toContain('home is /github/home\n');
    expect(job.log).toMatch(/^cgroup is \/.+$/m);
    expect(job.log).toContain('given name\n');
    // The checkout belongs to another user, as on GitHub.
    expect(job.log).toContain('detected dubious ownership');
    // In any order: the container's stdout and stderr arrive through pipes of their own.
    expect(job.log).toMatch(/^git refused with 128$/m);
    expect(job.log.match(/^\?\? made-in-the-container$/gm)).toHaveLength(1);
    // Nothing before this step failed, not even the container in the container.
    expect(job.log.match(/^Error: .*/gm)).toEqual(['Error: Process completed with exit code 3.']);
    expect(job.log).toContain('\nafter the failure');
    expect(job).toMatchObject({ result: 'failure', summary: 'From the container\n' });
    expect(await readFile(join(job.workspace, 'made-in-the-container'), 'utf8')).toBe('');
  });

  it('the check job of CI has the same container as the test job of a release', async () => {
    expect(await containerOf('ci.yml', 'check')).toEqual(await containerOf('release.yml', 'test'));
  });

  it('without its volume, the test job fails, since an overlay can’t be on an overlay', async () => {
    const steps = [{ run: START }, { run: USE }, { if: 'always()', run: 'dmesg | grep upperdir | tail -1' }];
    const { result, log } = await runSteps(steps, ({ volumes: _, ...others }) => others);
    expect(result).toBe('failure');
    expect(log).toMatch(/failed to mount .*: invalid argument/);
    expect(log).toMatch(/filesystem on \/var\/lib\/prebuilt-engine\/.* not supported as upperdir/);
  });

  it('without --privileged, the test job can’t start an engine', async () => {
    const { result, log } = await runSteps([{ run: START }], (container) => ({
      ...container,
      options: '--cgroupns=host',
    }));
    expect(result).toBe('failure');
    expect(log).toMatch(/^engine: .*permission denied/m);
  });

  it('without --cgroupns=host, the test job sees no cgroups but its own', async () => {
    const { log } = await runSteps([{ run: FACTS }], (container) => ({
      ...container,
      options: '--privileged',
    }));
    expect(log).toMatch(/^cgroup is \/$/m);
  });
});
