import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type IdentityTokens, ISSUER, startIdentityTokens } from './identity.ts';
import { type RunnerOptions, runWorkflow } from './runner.ts';
import { readWorkflow } from './workflow.ts';

const SIGNING = `name: Signing
on:
  push:
    tags: ['v*']
permissions: {}
jobs:
  without:
    runs-on: ubuntu-24.04
    permissions:
      contents: read
    steps:
      - run: env
  with:
    runs-on: ubuntu-24.04
    permissions:
      id-token: write
    steps:
      - run: echo "url=$ACTIONS_ID_TOKEN_REQUEST_URL"
      - run: echo "token=$ACTIONS_ID_TOKEN_REQUEST_TOKEN"
`;

function matrixValue(name: string): string {
  return `\${{ matrix.${name} }}`;
}

const MATRIX = `name: Matrix
on: push
permissions: {}
jobs:
  each:
    strategy:
      fail-fast: false
      matrix:
        include:
          - name: one
            other: two
          - name: two
            other: one
    runs-on: ubuntu-24.04
    permissions: {}
    steps:
      # Each job waits for the other, and one of them fails.
      - run: |
          touch "$MEETING/$NAME"
          for i in {1..200}; do [[ -e "$MEETING/$OTHER" ]] && break; sleep 0.1; done
          [[ -e "$MEETING/$OTHER" && "$NAME" == one ]]
        env:
          NAME: ${matrixValue('name')}
          OTHER: ${matrixValue('other')}
`;

const ATTEMPT = 'github.run_attempt';
const AGAIN = `name: Again
on: push
permissions: {}
env:
  ATTEMPT: \${{ ${ATTEMPT} }}
jobs:
  build:
    runs-on: ubuntu-24.04
    permissions: {}
    outputs:
      attempt: \${{ ${ATTEMPT} }}
    steps:
      - run: echo "attempt $ATTEMPT"
  each:
    needs: build
    strategy:
      fail-fast: false
      matrix:
        include:
          - name: one
          - name: two
    runs-on: ubuntu-24.04
    permissions: {}
    steps:
      - run: echo "attempt $ATTEMPT"
      - run: '[[ "$NAME" == one || -e "$MEETING/mended" ]]'
        env:
          NAME: ${matrixValue('name')}
  last:
    needs: [build, each]
    runs-on: ubuntu-24.04
    permissions: {}
    steps:
      - run: echo "attempt $ATTEMPT"
      - run: echo "built by $BUILT"
        env:
          BUILT: \${{ needs.build.outputs.attempt }}
`;

describe('a run of a workflow', () => {
  let folder: string;
  let identity: IdentityTokens;
  let options: RunnerOptions;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'runner-'));
    identity = await startIdentityTokens();
    options = {
      folder,
      origin: folder,
      repository: 'owner/name',
      token: 'ghs_token',
      vars: {},
      env: { PATH: process.env.PATH ?? '' },
      dockerConfig: folder,
      caches: new Map(),
      warm: async () => {},
      sign: async (statement) => JSON.stringify(statement),
      identity,
    };
  });
  afterEach(async () => {
    await identity[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function run(text: string) {
    await writeFile(join(folder, 'signing.yml'), text);
    const workflow = await readWorkflow(join(folder, 'signing.yml'));
    const { jobs } = await runWorkflow(
      workflow,
      { event: 'push', ref: 'refs/tags/v1.2.3', sha: 'a'.repeat(40) },
      options,
    );
    return Object.fromEntries(jobs.map((job) => [job.key, job]));
  }

  it('only a job with id-token: write can request identity tokens', async () => {
    const jobs = await run(SIGNING);
    expect(jobs.without?.result).toBe('success');
    expect(jobs.without?.log).toContain('GITHUB_SHA=');
    expect(jobs.without?.log).not.toContain('ID_TOKEN');

    const url = /^url=(.+)$/m.exec(jobs.with?.log ?? '')?.[1] ?? '';
    const token = /^token=(.+)$/m.exec(jobs.with?.log ?? '')?.[1] ?? '';
    const answer = await fetch(`${url}&audience=sigstore`, { headers: { authorization: `Bearer ${token}` } });
    const { value }: { value: string } = JSON.parse(await answer.text());
    const claims = JSON.parse(Buffer.from(value.split('.')[1] ?? '', 'base64url').toString('utf8'));
    expect(claims).toMatchObject({
      iss: ISSUER,
      aud: 'sigstore',
      sub: 'repo:owner/name:ref:refs/tags/v1.2.3',
      job_workflow_ref: 'owner/name/.github/workflows/signing.yml@refs/tags/v1.2.3',
      sha: 'a'.repeat(40),
    });
    expect(identity.secrets).toEqual([token, value]);
    const without = await fetch(`${url}&audience=sigstore`);
    expect(without.status).toBe(401);
  });

  it('the jobs of a matrix run in parallel, and all of them run even if one fails', async () => {
    options = { ...options, jobEnv: { each: { MEETING: folder } } };
    const jobs = await run(MATRIX);
    expect(Object.entries(jobs).map(([key, { result }]) => [key, result])).toEqual([
      ['each (one, two)', 'success'],
      ['each (two, one)', 'failure'],
    ]);
  });

  it('a job gets the environment for its own id only', async () => {
    options = { ...options, jobEnv: { with: { ONLY_HERE: 'yes' } } };
    const jobs = await run(SIGNING.replaceAll(/run: echo .*/g, 'run: env'));
    expect(jobs.with?.log).toContain('ONLY_HERE=yes');
    expect(jobs.without?.log).not.toContain('ONLY_HERE');
  });

  it('each job gets its own machine id, which a script can change only for that job', async () => {
    const text = SIGNING.replace('- run: env', '- run: cat /etc/machine-id')
      .replace(/run: echo "url.*/, 'run: echo changed >/etc/machine-id')
      .replace(/run: echo "token.*/, 'run: cat /etc/machine-id');
    const before = await readFile('/etc/machine-id', 'utf8');
    const jobs = await run(text);
    expect(jobs.without?.log).toMatch(/^[0-9a-f]{32}$/m);
    expect(jobs.without?.log).not.toContain(before.trim());
    expect(jobs.with?.log).toMatch(/^changed$/m);
    expect(await readFile('/etc/machine-id', 'utf8')).toBe(before);
  });

  it('each job has its own workspace, which scripts see at the same path in every job', async () => {
    const text = SIGNING.replace('- run: env', '- run: pwd && touch "$GITHUB_WORKSPACE/without"')
      .replace(/run: echo "url.*/, 'run: pwd && touch "$GITHUB_WORKSPACE/with"')
      .replace(/run: echo "token.*/, 'run: cd "$RUNNER_TEMP" && pwd');
    const jobs = await run(text);
    const runner = join(folder, 'runner');
    expect(jobs.without?.log).toMatch(new RegExp(`^${runner}/name/name$`, 'm'));
    expect(jobs.with?.log).toMatch(new RegExp(`^${runner}/name/name$`, 'm'));
    expect(jobs.with?.log).toMatch(new RegExp(`^${runner}/_temp$`, 'm'));
    expect(await readdir(jobs.without?.workspace ?? '')).toEqual(['without']);
    expect(await readdir(jobs.with?.workspace ?? '')).toEqual(['with']);
    expect(await readdir(runner)).toEqual([]);
  });

  it('jobs on macOS are skipped', async () => {
    const jobs = await run(SIGNING.replace('ubuntu-24.04', 'macos-15'));
    expect(jobs.without).toMatchObject({ result: 'skipped', log: '' });
    expect(jobs.with?.result).toBe('success');
  });

  it('another attempt reruns failed jobs and those that need them, or all jobs', async () => {
    await writeFile(join(folder, 'again.yml'), AGAIN);
    const workflow = await readWorkflow(join(folder, 'again.yml'));
    const event = { event: 'push', ref: 'refs/heads/main', sha: 'a'.repeat(40) } as const;
    options = { ...options, jobEnv: { each: { MEETING: folder } } };
    const first = await runWorkflow(workflow, event, options);
    expect(first.jobs.map(({ key, result }) => `${key} ${result}`)).toEqual([
      'build success',
      'each (one) success',
      'each (two) failure',
      'last skipped',
    ]);
    await writeFile(join(folder, 'mended'), '');
    const failed = await runWorkflow(workflow, event, options, first);
    expect(failed.jobs.map(({ log }) => /^attempt (\d)/m.exec(log)?.[1])).toEqual(['1', '1', '2', '2']);
    // The outputs of jobs that were not rerun are still there.
    expect(failed.jobs.at(-1)?.log).toContain('built by 1');
    const all = await runWorkflow(workflow, event, { ...options, rerun: 'all' }, failed);
    expect(all.jobs.map(({ log }) => /^attempt (\d)/m.exec(log)?.[1])).toEqual(['3', '3', '3', '3']);
  });
});
