import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { deployFolder, works } from '../../testing/manifests.ts';
import { need } from '../../testing/needs.ts';
import { parseArguments } from '../arguments.ts';
import { parseConfig } from '../config/config.ts';

const execute = promisify(execFile);
const folder = join(deployFolder, 'compose');

const plugin = await works('docker', ['compose', 'version']);
const standalone = plugin || (await works('docker-compose', ['version']));
const [program, ...first] = plugin ? ['docker', 'compose'] : ['docker-compose'];
const needCompose = need('Docker Compose', standalone, 'on the path (Debian package docker-compose)');

interface Service {
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly volumes: readonly {
    readonly source: string;
    readonly target: string;
    readonly read_only?: boolean;
    readonly bind?: { readonly propagation?: string };
  }[];
}

async function readServices(): Promise<Readonly<Record<string, Service>>> {
  return parse(await readFile(join(folder, 'compose.yaml'), 'utf8')).services;
}

needCompose('Docker Compose accepts the file', async () => {
  const args = [...first, '--file', join(folder, 'compose.yaml'), 'config'];
  const { stdout } = await execute(program ?? '', args, { timeout: 60_000 });
  expect(Object.keys(parse(stdout).services).toSorted()).toEqual(['app', 'mount-monitor']);
});

it('the Compose health check runs the image’s executable with the monitor’s configuration', async () => {
  const { 'mount-monitor': monitor } = await readServices();
  const dockerfile = await readFile(join(deployFolder, '../../../Dockerfile.release'), 'utf8');
  const [executable] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)?.[1] ?? '[]');
  const [config] = monitor?.volumes.filter(({ source }) => source === './config') ?? [];
  expect(monitor?.healthcheck?.test).toEqual([
    'CMD',
    executable,
    '--check',
    '--config',
    `${config?.target}/config.json`,
  ]);
  const command = parseArguments(monitor?.healthcheck?.test.slice(2) ?? []);
  expect(command.kind).toBe('check');
});

it('in Compose, the application waits for healthy mounts and sees mounts created later', async () => {
  const { app, 'mount-monitor': monitor } = await readServices();
  expect(app?.depends_on).toEqual({ 'mount-monitor': { condition: 'service_healthy' } });
  const parents = [app, monitor].map((service) => service?.volumes.find(({ target }) => target === '/mnt'));
  expect(parents.map((each) => each?.bind?.propagation)).toEqual(['rslave', 'rslave']);
  expect(new Set(parents.map((each) => each?.source)).size).toBe(1);
  expect(monitor?.volumes.every(({ read_only }) => read_only === true)).toBe(true);
  expect([monitor?.user, monitor?.read_only]).toEqual(['65534:65534', true]);
});

it('the Compose configuration has no problems or warnings, and its mounts are below the mounted folder', async () => {
  const text = await readFile(join(folder, 'config/config.json'), 'utf8');
  const { config, warnings } = parseConfig(text, 'config.json', { workingDirectory: '/', strictKeys: true });
  expect(warnings).toEqual([]);
  expect(config.mounts.every(({ absolutePath }) => absolutePath.startsWith('/mnt/'))).toBe(true);
  // Docker has no API for the watchdog.
  expect(config.watchdog.enabled).toBe(false);
});
