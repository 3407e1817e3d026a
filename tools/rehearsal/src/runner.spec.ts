import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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
      # Each waits for the other, and one fails.
      - run: |
          touch "$MEETING/$NAME"
          for i in {1..200}; do [[ -e "$MEETING/$OTHER" ]] && break; sleep 0.1; done
          [[ -e "$MEETING/$OTHER" && "$NAME" == one ]]
        env:
          NAME: ${matrixValue('name')}
          OTHER: ${matrixValue('other')}
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

  it('lets only a job that may write id-token ask for identity tokens', async () => {
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

  it('runs the jobs of a matrix side by side, and all of them where one fails', async () => {
    options = { ...options, jobEnv: { each: { MEETING: folder } } };
    const jobs = await run(MATRIX);
    expect(Object.entries(jobs).map(([key, { result }]) => [key, result])).toEqual([
      ['each (one, two)', 'success'],
      ['each (two, one)', 'failure'],
    ]);
  });

  it('gives a job what is for its id alone', async () => {
    options = { ...options, jobEnv: { with: { ONLY_HERE: 'yes' } } };
    const jobs = await run(SIGNING.replaceAll(/run: echo .*/g, 'run: env'));
    expect(jobs.with?.log).toContain('ONLY_HERE=yes');
    expect(jobs.without?.log).not.toContain('ONLY_HERE');
  });
});
