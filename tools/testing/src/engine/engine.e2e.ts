import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { skipOutsideCi } from '../test-needs.ts';
import { engineEnvironment } from './environment.ts';
import { exitProgram } from './exit-program.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const needs = await missing();

/** The reason why the machine can't run a second engine; undefined if it can. */
async function missing(): Promise<string | undefined> {
  const osRelease = await readFile('/etc/os-release', 'utf8');
  if (!/^ID="?debian"?$/m.test(osRelease)) return 'this is not Debian 12 or 13';
  return process.getuid?.() === 0 ? undefined : 'the user is not root';
}

describe('the engine', { timeout: 300_000 }, () => {
  let home = '';
  let port: number;
  const engine = (...args: readonly string[]) =>
    execa(process.execPath, [MAIN, ...args], { env: { PREBUILT_ENGINE_HOME: home }, reject: false });

  beforeAll(async () => {
    if (needs !== undefined) return;
    home = await mkdtemp(join(tmpdir(), 'engine-'));
    const server = await listen(0);
    port = portOf(server);
    await close(server);
  });
  beforeEach(({ skip }) => {
    if (needs !== undefined) skipOutsideCi(needs, skip);
  });
  afterAll(async () => {
    if (home === '') return;
    await engine('down', '--purge');
    await rm(home, { recursive: true, force: true });
  });

  it('the engine is down at first, and down has nothing to stop', async () => {
    expect(await engine('status')).toMatchObject({ exitCode: 3, stdout: 'engine: down' });
    expect(await engine('down')).toMatchObject({ exitCode: 0, stderr: 'engine: not running' });
  });

  it('up refuses a port that is in use, and starts nothing', async () => {
    const server = await listen(0);
    try {
      const { exitCode, stderr } = await engine('up', `--registry-port=${portOf(server)}`);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(
        `PORT_TAKEN: registry: expected port ${portOf(server)} on 127.0.0.1 to be free`,
      );
      expect(await engine('status')).toMatchObject({ exitCode: 3 });
    } finally {
      await close(server);
    }
  });

  it('the engine builds, runs both platforms and pushes, separate from the machine’s own', async () => {
    const up = await engine('up', `--registry-port=${port}`, '--json');
    expect(up.stderr).toContain('dockerd: started');
    expect(up.exitCode).toBe(0);
    const environment: unknown = JSON.parse(up.stdout);
    expect(environment).toMatchObject({
      DOCKER_HOST: `unix://${home}/run/docker.sock`,
      REGISTRY: `127.0.0.1:${port}`,
    });
    const found = await engineEnvironment({ ...process.env, PREBUILT_ENGINE_HOME: home });
    if (!found.available) throw new Error(found.reason);
    const env = { ...found.environment };
    expect(env).toMatchObject({ REGISTRY: `127.0.0.1:${port}` });

    const { stdout } = await execa('docker', ['buildx', 'inspect'], { env });
    expect(stdout).toMatch(/^Driver: +docker$/m);
    expect(stdout).toMatch(/linux\/arm64/);
    const context = join(home, 'context');
    await mkdir(context);
    await writeFile(join(context, 'exit-amd64'), exitProgram('amd64', 7), { mode: 0o755 });
    await writeFile(join(context, 'exit-arm64'), exitProgram('arm64', 8), { mode: 0o755 });
    await writeFile(
      join(context, 'Dockerfile'),
      'FROM scratch\nARG TARGETARCH\nCOPY exit-$TARGETARCH /exit\nENTRYPOINT ["/exit"]\n',
    );
    const tag = `${env.REGISTRY}/exit:1`;
    const platforms = '--platform=linux/amd64,linux/arm64';
    await execa('docker', ['buildx', 'build', platforms, '--push', `--tag=${tag}`, context], { env });
    const accept = 'application/vnd.oci.image.index.v1+json';
    const answer = await fetch(`http://${env.REGISTRY}/v2/exit/manifests/1`, { headers: { accept } });
    expect(await answer.json()).toMatchObject({ mediaType: accept });
    for (const [architecture, status] of [
      ['amd64', 7],
      ['arm64', 8],
    ] as const) {
      const run = ['run', '--rm', '--pull=always', `--platform=linux/${architecture}`, tag];
      expect(await execa('docker', run, { env, reject: false })).toMatchObject({ exitCode: status });
    }
    await rm(context, { recursive: true });
    expect((await stat(`${home}/run/docker.sock`)).isSocket()).toBe(true);
  });

  it('a second up leaves the engine unchanged', async () => {
    const before = await engine('status', '--json');
    const again = await engine('up');
    expect(again.exitCode).toBe(0);
    expect(again.stderr).not.toContain('started');
    expect(again.stdout).toContain(`export REGISTRY='127.0.0.1:${port}'`);
    expect((await engine('status', '--json')).stdout).toBe(before.stdout);
  });

  it('the registry keeps its port while it runs', async () => {
    const other = await engine('up', `--registry-port=${port + 1}`);
    expect(other.exitCode).toBe(1);
    expect(other.stderr).toContain(`expected port ${port + 1}, found it running on port ${port}`);
  });

  it('the engine is broken if a program has exited, and up repairs it', async () => {
    const status: { parts: { name: string; found: string }[] } = JSON.parse(
      (await engine('status', '--json')).stdout,
    );
    const pid = Number(status.parts.find(({ name }) => name === 'registry')?.found.replace('process ', ''));
    process.kill(pid, 'SIGKILL');
    await expect.poll(async () => (await engine('status')).exitCode, { timeout: 30_000 }).toBe(4);
    expect((await engine('status')).stdout).toContain('NO  registry: not running');
    const unavailable = await engineEnvironment({ ...process.env, PREBUILT_ENGINE_HOME: home });
    expect(unavailable).toMatchObject({
      available: false,
      reason: expect.stringContaining('registry: http://'),
    });
    const up = await engine('up');
    expect(up.stderr).toMatch(/^registry: started/m);
    expect(up.stderr).not.toContain('dockerd: started');
    expect((await engine('status')).exitCode).toBe(0);
  });

  it('down stops the engine and all its processes', async () => {
    const down = await engine('down');
    expect(down.exitCode).toBe(0);
    expect(down.stderr).toMatch(/registry: stopped[\s\S]*dockerd: stopped[\s\S]*containerd: stopped/);
    expect((await engine('status')).exitCode).toBe(3);
    expect(await processesMentioning(home)).toEqual([]);
  });

  it('down --purge leaves nothing behind', async () => {
    expect((await engine('down', '--purge')).exitCode).toBe(0);
    expect(await readdir(home)).toEqual([]);
  });
});

async function processesMentioning(text: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes(text)) found.push(`${pid} ${commandLine.replaceAll('\0', ' ')}`);
  }
  return found;
}

async function listen(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function close(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}
