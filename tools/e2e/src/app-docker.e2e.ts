import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildNodeStandIn, engineEnvironment, requireEngine, skipOutsideCi } from '@prebuilt/testing/engine';
import { execa } from 'execa';
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { missingProgram, nx, runOk, THIS_WORKSPACE, userEnvironment } from './testing/workspace.ts';

const STAND_IN = 'node-stand-in:app-docker';
const TAG = 'mount-monitor:app-docker';
/** Files that Docker adds to every container. */
const MADE_BY_DOCKER = /^(\.dockerenv$|(dev|proc|sys)\/|etc\/(hostname|hosts|mtab|resolv\.conf)$)/;

const engine = await engineEnvironment();
const missing = await missingProgram('mmdebstrap');

describe('app:docker', { timeout: 900_000 }, () => {
  beforeEach(({ skip }) => {
    requireEngine(engine, skip);
    if (missing !== undefined) skipOutsideCi(missing, skip);
    if (process.getuid?.() !== 0) skipOutsideCi('mmdebstrap needs root', skip);
  });
  afterAll(async () => {
    if (engine.available) await docker('image', 'rm', '--force', STAND_IN, TAG);
  });

  async function docker(...args: readonly string[]): Promise<string> {
    if (!engine.available) throw new Error(engine.reason);
    return runOk(THIS_WORKSPACE, 'docker', args, { ...userEnvironment(), ...engine.environment });
  }

  it('app:docker compiles from source inside Docker and loads an image like the released one', async ({
    skip,
  }) => {
    const environment = requireEngine(engine, skip);
    await buildNodeStandIn(STAND_IN, environment);
    const folder = await mkdtemp(join(tmpdir(), 'summary-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const summary = join(folder, 'summary.md');
    const built = await nx(
      THIS_WORKSPACE,
      [
        'run',
        'app:docker',
        `--tag=${TAG}`,
        `--buildArguments=--build-context=node:24-slim=docker-image://${STAND_IN}`,
        // The test engine has no container network.
        '--buildArguments=--network=host',
      ],
      { ...environment, GITHUB_STEP_SUMMARY: summary },
    );
    expect(built.output).toContain(`${TAG}: loaded into the local engine`);
    expect(built.exitCode).toBe(0);
    expect(await readFile(summary, 'utf8')).toContain(`### Built ${TAG}\n`);

    const [image] = JSON.parse(await docker('image', 'inspect', TAG));
    expect(image.Config).toMatchObject({
      User: '65534',
      ExposedPorts: { '8080/tcp': {} },
      Entrypoint: ['/mount-monitor'],
    });
  });

  it('app:docker builds an image that runs with a read-only root and without a network', async () => {
    const output = await docker('run', '--rm', '--read-only', '--network=none', TAG, '--version');
    expect(output.split('\n')).toContain('mount-monitor 0.0.0-dev');
  });

  it('app:docker builds an image that contains only the executable and its runtime files', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'app-docker-'));
    const container = (await docker('create', '--network=none', TAG)).split('\n').at(-1) ?? '';
    try {
      const archive = join(folder, 'files.tar');
      await docker('export', `--output=${archive}`, container);
      const { stdout } = await execa('tar', ['--list', '--file', archive]);
      const loader = process.arch === 'arm64' ? 'lib/ld-linux-aarch64.so.1' : 'lib64/ld-linux-x86-64.so.2';
      const libraries = process.arch === 'arm64' ? 'lib/aarch64-linux-gnu' : 'lib/x86_64-linux-gnu';
      const entries = stdout
        .split('\n')
        .filter((entry) => !entry.endsWith('/') && !MADE_BY_DOCKER.test(entry));
      expect(entries.filter((entry) => !/^(usr\/share\/doc|var\/lib\/dpkg)\//.test(entry)).sort()).toEqual(
        [
          'etc/os-release',
          `${libraries}/libc.so.6`,
          `${libraries}/libdl.so.2`,
          `${libraries}/libm.so.6`,
          `${libraries}/libpthread.so.0`,
          loader,
          'mount-monitor',
        ].sort(),
      );
    } finally {
      await docker('rm', container);
      await rm(folder, { recursive: true });
    }
  });

  it('app:docker says what to do if no engine answers', async () => {
    const { exitCode, output } = await nx(THIS_WORKSPACE, ['run', 'app:docker', `--tag=${TAG}`], {
      ...(engine.available
        ? { PATH: engine.environment.PATH, DOCKER_CONFIG: engine.environment.DOCKER_CONFIG }
        : {}),
    });
    expect(exitCode).toBe(1);
    expect(output).toMatch(/^error ENGINE: /m);
  });
});
