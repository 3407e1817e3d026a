import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runDockerBuild } from './run.ts';

describe('runDockerBuild', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'docker-build-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** A client that records its arguments and answers as the script says. */
  async function client(script: string): Promise<string> {
    const file = join(folder, 'docker');
    await writeFile(file, `#!/bin/sh\nprintf '%s\\n' "$*" >>"${folder}/calls"\n${script}\n`);
    await chmod(file, 0o755);
    return file;
  }
  const calls = async () => (await readFile(join(folder, 'calls'), 'utf8')).split('\n').slice(0, -1);
  const args = ['buildx', 'build', '.'];

  it('docker-build checks for buildx and an engine before it builds', async () => {
    await runDockerBuild({ file: await client('exit 0'), args }, folder);
    expect(await calls()).toEqual([
      'buildx version',
      'version --format {{.Server.Version}}',
      'buildx build .',
    ]);
  });

  it('docker-build says how to get an engine if there is no client', async () => {
    await expect(runDockerBuild({ file: join(folder, 'absent'), args }, folder)).rejects.toMatchObject({
      code: 'ENGINE',
      message: `${join(folder, 'absent')}: expected the Docker client on PATH, found none`,
      hint: expect.stringContaining('point DOCKER_HOST at an engine'),
    });
  });

  it('docker-build says how to get an engine if none answers', async () => {
    const file = await client(
      '[ "$1" = buildx ] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }',
    );
    await expect(runDockerBuild({ file, args }, folder)).rejects.toMatchObject({
      code: 'ENGINE',
      message: expect.stringContaining('expected an engine, found: Cannot connect to the Docker daemon'),
      hint: expect.stringContaining('DOCKER_HOST'),
    });
    expect(await calls()).not.toContain('buildx build .');
  });

  it('docker-build says where to get buildx if the client lacks it', async () => {
    const file = await client(
      '[ "$1" != buildx ] || { echo "docker: \'buildx\' is not a docker command." >&2; exit 1; }',
    );
    await expect(runDockerBuild({ file, args }, folder)).rejects.toMatchObject({
      code: 'ENGINE',
      message: expect.stringContaining("'buildx' is not a docker command"),
      hint: expect.stringContaining('https://docs.docker.com/go/buildx/'),
    });
  });

  it('docker-build reports a failed build', async () => {
    const file = await client('[ "$2" != build ] || exit 3');
    await expect(runDockerBuild({ file, args }, folder)).rejects.toMatchObject({
      code: 'COMPILE_FAILED',
      message: expect.stringContaining('exit code 3'),
    });
  });
});
