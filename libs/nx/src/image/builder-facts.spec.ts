import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readDockerFacts, readDockerKey } from './builder-facts.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'docker-client-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** Installs a fake docker client in PATH that answers by the first two words of its arguments. */
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
  it('accepts the docker driver with the containerd image store', async () => {
    await client({ ...info(CONTAINERD), ...inspect('docker') });
    expect(await readDockerFacts('auto', undefined)).toEqual({
      builder: { usable: true, name: 'mine', driver: 'docker', buildx: '0.13.1' },
      engine: { version: '28.5.2' },
    });
  });

  it.each(['docker-container', 'kubernetes', 'remote'])('accepts the %s driver', async (driver) => {
    await client({ ...info(null), ...inspect(driver) });
    expect(await readDockerFacts('auto', undefined)).toMatchObject({ builder: { usable: true, driver } });
  });

  it('accepts the remote driver if no engine responds', async () => {
    await client({ info: 'echo "Cannot connect" >&2; exit 1', ...inspect('remote') });
    expect(await readDockerFacts('auto', undefined)).toEqual({
      builder: { usable: true, name: 'mine', driver: 'remote', buildx: undefined },
      engine: undefined,
    });
  });

  it('asks for the builder by name', async () => {
    await client({ ...info(null), 'buildx inspect farm': "printf 'Name: farm\\nDriver: remote\\n'" });
    expect(await readDockerFacts('auto', 'farm')).toMatchObject({ builder: { usable: true, name: 'farm' } });
    expect(await readDockerFacts('auto', 'other')).toMatchObject({ builder: { usable: false } });
  });

  it.each([
    ['another image store', [['Backing Filesystem', 'extfs']]],
    ['no reported one', null],
  ])('says how to fix the docker driver with %s', async (_, driverStatus) => {
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
      'no engine responds',
      { 'buildx inspect': 'echo "Cannot connect to the Docker daemon" >&2; exit 1' },
      'docker buildx inspect: Cannot connect',
    ],
    [
      'the engine reports nothing',
      { info: 'echo "permission denied" >&2; exit 1', ...inspect('docker') },
      'docker info: permission denied',
    ],
    [
      'the builder has an error',
      { ...info(CONTAINERD), ...inspect('docker', 'Error: no daemon\\n') },
      'no daemon',
    ],
    [
      'the client does not answer and keeps running',
      { ...info(CONTAINERD), 'buildx inspect': 'sleep 30' },
      'docker buildx inspect: did not exit within 10 s',
    ],
    ['the answer is unknown', { ...info(CONTAINERD), 'buildx inspect': 'echo hello' }, 'reports no driver'],
  ])('reports when %s', async (_, answers, reason) => {
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

describe('readDockerFacts for the daemonless builder', () => {
  it('returns the engine’s version', async () => {
    await client({ version: 'echo 28.5.2' });
    expect((await readDockerFacts('daemonless', undefined)).engine).toEqual({ version: '28.5.2' });
  });

  it('returns no engine if none responds', async () => {
    await client({ version: 'echo; echo "Cannot connect" >&2; exit 1' });
    expect((await readDockerFacts('daemonless', undefined)).engine).toBeUndefined();
  });
});

describe('readDockerKey', () => {
  const asInspected = "printf 'Name:   default\\nDriver: docker\\nBuildKit version: v0.17.0\\n'";
  const engine = { 'buildx inspect': asInspected };

  it.each<[string, Readonly<Record<string, string>>]>([
    ['a usable engine', { ...info(CONTAINERD), ...engine }],
    ['an engine with another image store', { ...info([['Backing Filesystem', 'extfs']]), ...engine }],
    ['a client without buildx', { ...info(CONTAINERD, [{ Name: 'compose' }]), 'buildx inspect': 'exit 1' }],
  ])('readDockerKey says of %s what the executor will find, without asking buildx', async (_, answers) => {
    await client(answers);
    const { builder, engine: answered } = await readDockerFacts('auto', undefined);
    await client({ info: answers.info ?? '' });
    const environment = { DOCKER_CONFIG: folder };
    expect(await readDockerKey('auto', undefined, environment)).toEqual({
      builder: builder?.usable === true ? { ...builder, buildkit: undefined } : builder,
      engine: answered,
    });
  });

  it('readDockerKey without a docker client says so', async () => {
    vi.stubEnv('PATH', folder);
    expect(await readDockerKey('auto', undefined, { DOCKER_CONFIG: folder })).toEqual(
      await readDockerFacts('auto', undefined),
    );
  });

  it.each<[string, 'auto' | 'daemonless', string | undefined, Readonly<Record<string, string>>]>([
    ['a builder by name', 'auto', 'mine', {}],
    ['the builder in BUILDX_BUILDER', 'auto', undefined, { BUILDX_BUILDER: 'mine' }],
    ['a folder of builders that can’t be read', 'auto', undefined, { BUILDX_CONFIG: '/dev/null' }],
    ['the engine alone', 'daemonless', undefined, {}],
  ])('readDockerKey asks docker for %s', async (_, wanted, name, environment) => {
    await client({ ...info(null), ...inspect('remote'), version: 'echo 28.5.2' });
    expect(await readDockerKey(wanted, name, { DOCKER_CONFIG: folder, ...environment })).toEqual(
      await readDockerFacts(wanted, name),
    );
  });
});
