import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readBuilderFacts, readEngineFacts } from './builder-facts.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'docker-client-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** A docker client on the path that answers by the first two words of its arguments. */
async function client(answers: Readonly<Record<string, string>>): Promise<void> {
  const cases = Object.entries(answers).map(([words, answer]) => `"${words}"*) ${answer};;`);
  const script = `#!/bin/sh\ncase "$*" in\n${cases.join('\n')}\n*) echo "unknown: $*" >&2; exit 1;;\nesac\n`;
  await writeFile(join(folder, 'docker'), script);
  await chmod(join(folder, 'docker'), 0o755);
  vi.stubEnv('PATH', `${folder}:${dirname(process.execPath)}:/usr/bin:/bin`);
}

const VERSION = { 'buildx version': 'echo "github.com/docker/buildx 0.13.1 abc"' };
const inspect = (driver: string, more = '') => ({
  'buildx inspect': `printf 'Name:   mine\\nDriver: ${driver}\\n\\nNodes:\\nName:     node0\\n${more}'`,
});

describe('readBuilderFacts', () => {
  it('takes the driver docker with the containerd image store', async () => {
    await client({
      ...VERSION,
      ...inspect('docker'),
      info: 'echo \'[["driver-type","io.containerd.snapshotter.v1"]]\'',
    });
    expect(await readBuilderFacts(undefined)).toEqual({
      usable: true,
      name: 'mine',
      driver: 'docker',
      buildx: 'github.com/docker/buildx 0.13.1',
    });
  });

  it.each(['docker-container', 'kubernetes', 'remote'])('takes the driver %s', async (driver) => {
    await client({ ...VERSION, ...inspect(driver) });
    expect(await readBuilderFacts(undefined)).toMatchObject({ usable: true, driver });
  });

  it('asks for the builder by its name', async () => {
    await client({ ...VERSION, 'buildx inspect farm': "printf 'Name: farm\\nDriver: remote\\n'" });
    expect(await readBuilderFacts('farm')).toMatchObject({ usable: true, name: 'farm' });
    expect(await readBuilderFacts('other')).toMatchObject({ usable: false });
  });

  it('says how to mend the driver docker without the containerd image store', async () => {
    await client({ ...VERSION, ...inspect('docker'), info: 'echo \'[["Backing Filesystem","extfs"]]\'' });
    expect(await readBuilderFacts(undefined)).toMatchObject({
      usable: false,
      reason: expect.stringContaining('no containerd image store'),
      hint: expect.stringContaining('"containerd-snapshotter": true'),
    });
  });

  it.each([
    ['there is no client', {}, 'there is no docker client'],
    [
      'buildx is missing',
      { 'buildx version': 'echo "docker: buildx is not a docker command." >&2; exit 1' },
      'is not a docker command',
    ],
    [
      'no engine answers',
      { ...VERSION, 'buildx inspect': 'echo "Cannot connect to the Docker daemon" >&2; exit 1' },
      'Cannot connect',
    ],
    ['the builder has an error', { ...VERSION, ...inspect('docker', 'Error: no daemon\\n') }, 'no daemon'],
    ['the answer is not understood', { ...VERSION, 'buildx inspect': 'echo hello' }, 'names no driver'],
  ])('says so where %s', async (_, answers, reason) => {
    await client(answers);
    if (Object.keys(answers).length === 0) {
      await rm(join(folder, 'docker'));
      vi.stubEnv('PATH', folder);
    }
    expect(await readBuilderFacts(undefined)).toMatchObject({
      usable: false,
      reason: expect.stringContaining(reason),
      hint: expect.stringContaining('--builder=daemonless'),
    });
  });
});

describe('readEngineFacts', () => {
  it('tells the version of the engine', async () => {
    await client({ version: 'echo 28.5.2' });
    expect(await readEngineFacts()).toEqual({ version: '28.5.2' });
  });

  it('tells of none where none answers', async () => {
    await client({ version: 'echo; echo "Cannot connect" >&2; exit 1' });
    expect(await readEngineFacts()).toBeUndefined();
  });
});
