import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readDockerFacts } from './builder-facts.ts';

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

const CONTAINERD = [['driver-type', 'io.containerd.snapshotter.v1']];
const info = (
  driverStatus: unknown,
  plugins: readonly object[] = [{ Name: 'buildx', Version: '0.13.1' }],
) => {
  const told = { ServerVersion: '28.5.2', DriverStatus: driverStatus, ClientInfo: { Plugins: plugins } };
  return { info: `echo '${JSON.stringify(told)}'` };
};
const inspect = (driver: string, more = '') => ({
  'buildx inspect': `printf 'Name:   mine\\nDriver: ${driver}\\n\\nNodes:\\nName:     node0\\n${more}'`,
});

describe('readDockerFacts', () => {
  it('takes the driver docker with the containerd image store', async () => {
    await client({ ...info(CONTAINERD), ...inspect('docker') });
    expect(await readDockerFacts('auto', undefined)).toEqual({
      builder: { usable: true, name: 'mine', driver: 'docker', buildx: '0.13.1' },
      engine: { version: '28.5.2' },
    });
  });

  it.each(['docker-container', 'kubernetes', 'remote'])('takes the driver %s', async (driver) => {
    await client({ ...info(null), ...inspect(driver) });
    expect(await readDockerFacts('auto', undefined)).toMatchObject({ builder: { usable: true, driver } });
  });

  it('takes the driver remote where no engine answers', async () => {
    await client({ info: 'echo "Cannot connect" >&2; exit 1', ...inspect('remote') });
    expect(await readDockerFacts('auto', undefined)).toEqual({
      builder: { usable: true, name: 'mine', driver: 'remote', buildx: undefined },
      engine: undefined,
    });
  });

  it('asks for the builder by its name', async () => {
    await client({ ...info(null), 'buildx inspect farm': "printf 'Name: farm\\nDriver: remote\\n'" });
    expect(await readDockerFacts('auto', 'farm')).toMatchObject({ builder: { usable: true, name: 'farm' } });
    expect(await readDockerFacts('auto', 'other')).toMatchObject({ builder: { usable: false } });
  });

  it.each([
    ['another image store', [['Backing Filesystem', 'extfs']]],
    ['none told', null],
  ])('says how to mend the driver docker with %s', async (_, driverStatus) => {
    await client({ ...info(driverStatus), ...inspect('docker') });
    expect((await readDockerFacts('auto', undefined)).builder).toMatchObject({
      usable: false,
      reason: expect.stringContaining('without a containerd image store'),
      hint: expect.stringContaining('"containerd-snapshotter": true'),
    });
  });

  it.each([
    ['there is no client', {}, 'there is no docker client'],
    ['buildx is missing', { ...info(CONTAINERD, []) }, 'has no buildx plugin'],
    [
      'no engine answers',
      { 'buildx inspect': 'echo "Cannot connect to the Docker daemon" >&2; exit 1' },
      'docker buildx inspect: Cannot connect',
    ],
    [
      'the engine tells nothing of itself',
      { info: 'echo "permission denied" >&2; exit 1', ...inspect('docker') },
      'docker info: permission denied',
    ],
    [
      'the builder has an error',
      { ...info(CONTAINERD), ...inspect('docker', 'Error: no daemon\\n') },
      'no daemon',
    ],
    [
      'nothing is answered, while what was started for it lives on',
      { ...info(CONTAINERD), 'buildx inspect': 'sleep 30' },
      'docker buildx inspect: did not exit within 10 s',
    ],
    [
      'the answer is not understood',
      { ...info(CONTAINERD), 'buildx inspect': 'echo hello' },
      'reports no driver',
    ],
  ])('says so where %s', async (_, answers, reason) => {
    await client(answers);
    if (Object.keys(answers).length === 0) {
      await rm(join(folder, 'docker'));
      vi.stubEnv('PATH', folder);
    }
    expect((await readDockerFacts('auto', undefined)).builder).toMatchObject({
      usable: false,
      reason: expect.stringContaining(reason),
      hint: expect.stringContaining('--builder=daemonless'),
    });
  });
});

describe('readDockerFacts for the builder that needs no engine', () => {
  it('tells the version of the engine', async () => {
    await client({ version: 'echo 28.5.2' });
    expect((await readDockerFacts('daemonless', undefined)).engine).toEqual({ version: '28.5.2' });
  });

  it('reports none where none answers', async () => {
    await client({ version: 'echo; echo "Cannot connect" >&2; exit 1' });
    expect((await readDockerFacts('daemonless', undefined)).engine).toBeUndefined();
  });
});
