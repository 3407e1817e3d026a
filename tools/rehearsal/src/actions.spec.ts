import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIT_AUTHOR } from '@prebuilt/testing/git';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ACTIONS, type ActionScope, ArtifactStore } from './actions.ts';
import { parseOutputs } from './runner.ts';

describe('the stand-ins behave like the actions', () => {
  let folder: string;
  let scope: ActionScope;
  let count = 0;

  const act = (name: string, inputs: Readonly<Record<string, string>>, more: Partial<ActionScope> = {}) => {
    const action = ACTIONS[name];
    if (action === undefined) throw new Error(name);
    return action(inputs, { ...scope, ...more });
  };
  const freshWorkspace = async (): Promise<string> => {
    const workspace = join(folder, `workspace-${count++}`);
    await mkdir(workspace);
    return workspace;
  };
  const git = async (cwd: string, ...args: readonly string[]): Promise<string> =>
    (await execa('git', [...GIT_AUTHOR, ...args], { cwd })).stdout;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'actions-'));
    const origin = join(folder, 'origin');
    await mkdir(join(origin, 'apps/a/src'), { recursive: true });
    await git(origin, 'init', '--quiet', '--initial-branch=main');
    await git(origin, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
    await writeFile(join(origin, 'apps/a/src/main.ts'), '');
    await writeFile(join(origin, 'apps/a/package.json'), '{}');
    await writeFile(join(origin, 'top'), '');
    await git(origin, 'add', '.');
    await git(origin, 'commit', '--quiet', '-m', 'one');
    await git(origin, 'tag', 'v1.0.0');
    await git(origin, 'commit', '--quiet', '--allow-empty', '-m', 'two');
    await git(origin, 'tag', 'v1.1.0');
    scope = {
      workspace: await freshWorkspace(),
      home: await freshWorkspace(),
      origin,
      ref: 'refs/tags/v1.1.0',
      sha: await git(origin, 'rev-parse', 'HEAD'),
      event: 'push',
      permissions: { contents: 'read', actions: 'read' },
      token: 'ghs_token',
      visibility: 'public',
      artifacts: new ArtifactStore(join(folder, 'artifacts')),
      caches: new Map(),
      attestations: [],
      sign: async (statement) => JSON.stringify(statement),
      temp: folder,
      lastGreen: undefined,
      dockerConfig: folder,
      path: process.env.PATH ?? '',
    };
    await writeFile(join(folder, 'config.json'), '{"kept":true}');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('checkout fetches one commit and one tag by default, and everything with fetch-depth 0', async () => {
    await act('actions/checkout', {});
    expect(await git(scope.workspace, 'tag', '--list')).toBe('v1.1.0');
    expect(await git(scope.workspace, 'rev-list', '--count', 'HEAD')).toBe('1');
    expect(await git(scope.workspace, 'rev-parse', '--is-shallow-repository')).toBe('true');
    const workspace = await freshWorkspace();
    await act('actions/checkout', { 'fetch-depth': '0' }, { workspace });
    expect(await git(workspace, 'tag', '--list')).toBe('v1.0.0\nv1.1.0');
    expect(await git(workspace, 'rev-list', '--count', 'HEAD')).toBe('2');
  });

  it('a sparse checkout leaves out what its patterns exclude', async () => {
    await act('actions/checkout', {
      'sparse-checkout-cone-mode': 'false',
      'sparse-checkout': '/*\n!/apps/*/**\n/apps/*/package.json\n',
    });
    expect(await readdir(join(scope.workspace, 'apps/a'))).toEqual(['package.json']);
    expect(await readdir(scope.workspace)).toContain('top');
  });

  it('checkout needs permission to read contents', async () => {
    await expect(act('actions/checkout', {}, { permissions: {} })).rejects.toThrow('may not read');
  });

  it('an artifact keeps bytes and paths, but loses the executable bit', async () => {
    await mkdir(join(scope.workspace, 'out/deep'), { recursive: true });
    await writeFile(join(scope.workspace, 'out/deep/program'), 'bytes');
    await chmod(join(scope.workspace, 'out/deep/program'), 0o755);
    await act('actions/upload-artifact', { name: 'a', path: 'out' });
    const workspace = await freshWorkspace();
    await act('actions/download-artifact', { name: 'a', path: 'in' }, { workspace });
    const file = join(workspace, 'in/deep/program');
    expect(await readFile(file, 'utf8')).toBe('bytes');
    expect((await stat(file)).mode & 0o777).toBe(0o644);
  });

  it('an artifact name can be used only once per run, unless it is overwritten', async () => {
    const upload = async (content: string, more: Readonly<Record<string, string>> = {}) => {
      await writeFile(join(scope.workspace, 'f'), content);
      await act('actions/upload-artifact', { name: 'a', path: 'f', ...more });
    };
    await upload('1');
    await expect(upload('2')).rejects.toThrow('409');
    scope.artifacts.attempt = 2;
    await expect(upload('2')).rejects.toThrow('409');
    await upload('2', { overwrite: 'true' });
    await act('actions/download-artifact', { name: 'a', path: 'x' });
    expect(await readFile(join(scope.workspace, 'x/f'), 'utf8')).toBe('2');
  });

  it('an artifact from another attempt can be downloaded only with a token that may read actions', async () => {
    await writeFile(join(scope.workspace, 'f'), '1');
    await act('actions/upload-artifact', { name: 'a', path: 'f' });
    scope.artifacts.attempt = 2;
    const inputs = { name: 'a', path: 'x' };
    await expect(act('actions/download-artifact', inputs)).rejects.toThrow('(404) Not Found');
    const byApi = { ...inputs, 'github-token': scope.token };
    await expect(
      act('actions/download-artifact', byApi, { permissions: { contents: 'read' } }),
    ).rejects.toThrow('not accessible by integration');
    await act('actions/download-artifact', byApi);
    expect(await readFile(join(scope.workspace, 'x/f'), 'utf8')).toBe('1');
  });

  it('artifacts are found by pattern, each in its own folder or merged; a missing one is an error', async () => {
    for (const name of ['p-1', 'p-2', 'q']) {
      await writeFile(join(scope.workspace, `${name}.json`), name);
      await act('actions/upload-artifact', { name, path: `${name}.json` });
    }
    await act('actions/download-artifact', { pattern: 'p-*', path: 'own' });
    expect(await readdir(join(scope.workspace, 'own'))).toEqual(['p-1', 'p-2']);
    await act('actions/download-artifact', { pattern: 'p-*', path: 'merged', 'merge-multiple': 'true' });
    expect(await readdir(join(scope.workspace, 'merged'))).toEqual(['p-1.json', 'p-2.json']);
    await expect(act('actions/download-artifact', { name: 'r' })).rejects.toThrow('Artifact not found');
    await expect(act('actions/upload-artifact', { name: 'r', path: 'absent' })).rejects.toThrow(
      'No files were found',
    );
  });

  it('a cache is found by its key or else by a prefix, newest first, and is never saved twice', async () => {
    const path = 'kept';
    await mkdir(join(scope.workspace, path));
    const save = async (key: string, content: string) => {
      await writeFile(join(scope.workspace, 'kept/f'), content);
      await act('actions/cache/save', { path, key });
    };
    await save('main-1', 'one');
    await save('main-2', 'two');
    await save('main-2', 'three');
    const restore = async (key: string) => {
      const workspace = await freshWorkspace();
      const { outputs } = await act(
        'actions/cache/restore',
        { path, key, 'restore-keys': 'main-\n' },
        { workspace },
      );
      return [outputs?.['cache-hit'], await readFile(join(workspace, 'kept/f'), 'utf8')];
    };
    expect(await restore('main-1')).toEqual(['true', 'one']);
    expect(await restore('main-3')).toEqual(['false', 'two']);
    await expect(act('actions/cache/save', { path, key: 'x' }, { event: 'pull_request' })).rejects.toThrow();
  });

  it('a cache is found only for the exact paths it was saved for, which may be patterns', async () => {
    await mkdir(join(scope.workspace, 'data'));
    for (const name of ['a.db', 'b.json']) await writeFile(join(scope.workspace, 'data', name), name);
    await act('actions/cache/save', { path: 'data/*.db', key: 'k' });
    const workspace = await freshWorkspace();
    const missed = await act('actions/cache/restore', { path: 'data', key: 'k' }, { workspace });
    expect(missed.outputs?.['cache-hit']).toBe('false');
    await act('actions/cache/restore', { path: 'data/*.db', key: 'k' }, { workspace });
    expect(await readdir(join(workspace, 'data'))).toEqual(['a.db']);
  });

  it('setup-buildx makes buildx available to later steps, and fails if it is missing', async () => {
    const docker = join(folder, 'docker');
    await writeFile(
      docker,
      '#!/bin/sh\n[ "$*" = "buildx version" ] && [ -e "$DOCKER_CONFIG/config.json" ]\n',
    );
    await chmod(docker, 0o755);
    const path = `${folder}:${scope.path}`;
    const { env } = await act('docker/setup-buildx-action', {}, { path });
    expect(env).toEqual({ DOCKER_CONFIG: join(scope.home, '.docker') });
    await writeFile(docker, '#!/bin/sh\necho "docker: \'buildx\' is not a docker command." >&2\nexit 1\n');
    await expect(act('docker/setup-buildx-action', {}, { path })).rejects.toThrow('not a docker command');
  });

  it('a login stays in the Docker config file until the job ends', async () => {
    const { post } = await act('docker/login-action', {
      registry: 'r.example',
      username: 'u',
      password: 'p',
    });
    const config = async () => JSON.parse(await readFile(join(scope.home, '.docker/config.json'), 'utf8'));
    expect(await config()).toEqual({
      kept: true,
      auths: { 'r.example': { auth: Buffer.from('u:p').toString('base64') } },
    });
    await post?.();
    expect(await config()).toEqual({ kept: true });
    await expect(act('docker/login-action', { registry: 'r.example' })).rejects.toThrow('required');
  });

  it('a login sends the job’s token only to ghcr.io', async () => {
    const inputs = { username: 'u', password: scope.token };
    await act('docker/login-action', { ...inputs, registry: 'ghcr.io' });
    await expect(act('docker/login-action', { ...inputs, registry: 'r.example' })).rejects.toThrow(
      'GITHUB_TOKEN is sent to r.example',
    );
    await expect(act('docker/login-action', inputs)).rejects.toThrow('Docker Hub');
  });

  it('an attestation takes its subjects from a checksums file, and writes one bundle for all of them', async () => {
    const permissions = { 'id-token': 'write', attestations: 'write' };
    await writeFile(join(scope.workspace, 'sums'), `${'1'.repeat(64)}  a\n${'2'.repeat(64)}  b\n`);
    const { outputs } = await act('actions/attest', { 'subject-checksums': 'sums' }, { permissions });
    const bundle = JSON.parse(await readFile(outputs?.['bundle-path'] ?? '', 'utf8'));
    expect(bundle).toMatchObject({
      subject: [
        { name: 'a', digest: { sha256: '1'.repeat(64) } },
        { name: 'b', digest: { sha256: '2'.repeat(64) } },
      ],
      predicateType: 'https://slsa.dev/provenance/v1',
    });
    expect(scope.attestations).toEqual([
      { name: 'a', digest: `sha256:${'1'.repeat(64)}` },
      { name: 'b', digest: `sha256:${'2'.repeat(64)}` },
    ]);
    await writeFile(join(scope.workspace, 'sums'), '');
    await expect(act('actions/attest', { 'subject-checksums': 'sums' }, { permissions })).rejects.toThrow(
      'no subject',
    );
    const image = { 'subject-name': 'i', 'subject-digest': `sha256:${'0'.repeat(64)}` };
    await expect(act('actions/attest', image, { permissions, visibility: 'private' })).rejects.toThrow(
      'not available for user-owned private repositories',
    );
  });

  it('an attestation needs its permissions and a subject', async () => {
    const rights = { permissions: { 'id-token': 'write', attestations: 'write' } };
    const image = { 'subject-name': 'r.example/i', 'subject-digest': `sha256:${'0'.repeat(64)}` };
    await act('actions/attest', image, rights);
    expect(scope.attestations).toEqual([{ name: 'r.example/i', digest: image['subject-digest'] }]);
    await expect(act('actions/attest', image)).rejects.toThrow('id-token');
    await expect(act('actions/attest', { 'subject-path': 'none-*' }, rights)).rejects.toThrow(
      'could not find',
    );
    await expect(act('actions/attest', { ...image, 'subject-digest': '' }, rights)).rejects.toThrow(
      'no subject',
    );
  });

  it('nx-set-shas returns the last green commit on main, and the merge base for a pull request', async () => {
    const rights = { permissions: { contents: 'read', actions: 'read' } };
    await act('actions/checkout', { 'fetch-depth': '0' });
    const one = await git(scope.workspace, 'rev-parse', 'v1.0.0');
    const shas = async (more: Partial<ActionScope>) =>
      (await act('nrwl/nx-set-shas', {}, { ...rights, ...more })).outputs;
    expect(await shas({ lastGreen: one })).toEqual({ base: one, head: scope.sha });
    expect(await shas({})).toEqual({ base: one, head: scope.sha });
    expect(await shas({ event: 'pull_request' })).toEqual({ base: scope.sha, head: scope.sha });
  });

  it.each(Object.keys(ACTIONS))('%s refuses an input that it does not know', async (name) => {
    await expect(act(name, { 'no-such-input': 'x' })).rejects.toThrow('unexpected input: no-such-input');
  });

  it('the outputs of a script are lines, or blocks with a delimiter', () => {
    expect(parseOutputs('a=1\nb<<E\nx\ny=2\nE\nc=d=e\n')).toEqual({ a: '1', b: 'x\ny=2', c: 'd=e' });
  });
});
