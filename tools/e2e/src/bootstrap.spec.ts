import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run, runOk, THIS_WORKSPACE, userEnvironment } from './testing/workspace.ts';

const NAMES = ['plain', '@scope/name'];
// As in an organization's registry, which serves several kinds of packages.
const PREFIX = '/npm';
const addressOf = (name: string) => `${PREFIX}/${name}/-/${name.replace(/.*\//, '')}-1.0.0.tgz`;

describe('./bootstrap', () => {
  let folder: string;
  let server: Server;
  let requests: string[];
  /** What the registry serves, by path. */
  let served: Map<string, string | Buffer>;
  let archives: Map<string, Buffer>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bootstrap-'));
    requests = [];
    archives = new Map(await Promise.all(NAMES.map(async (name) => [name, await pack(name)] as const)));
    served = new Map([...archives].map(([name, archive]) => [addressOf(name), archive]));
    server = createServer(({ url = '' }, response) => {
      const path = decodeURIComponent(url);
      requests.push(path);
      const body = served.get(path);
      response.writeHead(body === undefined ? 404 : 200).end(body ?? '{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await copyFile(join(THIS_WORKSPACE, 'bootstrap'), join(folder, 'bootstrap'));
    const dependencies = Object.fromEntries(NAMES.map((name) => [name, '1.0.0']));
    const root = { name: 'root', version: '1.0.0', dependencies };
    const packages = Object.fromEntries(
      [...archives].map(([name, archive]) => [
        `node_modules/${name}`,
        { version: '1.0.0', integrity: integrityOf(archive) },
      ]),
    );
    const lock = { ...root, lockfileVersion: 3, requires: true, packages: { '': root, ...packages } };
    await writeFile(join(folder, 'package.json'), JSON.stringify(root));
    await writeFile(join(folder, 'package-lock.json'), JSON.stringify(lock));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  const registry = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}${PREFIX}`;

  /** A package's archive, as npm makes it. */
  async function pack(name: string): Promise<Buffer> {
    const work = await mkdtemp(join(folder, 'pack-'));
    await mkdir(join(work, 'package'));
    await writeFile(join(work, 'package/package.json'), JSON.stringify({ name, version: '1.0.0' }));
    await runOk(work, 'tar', ['--create', '--gzip', '--file=archive.tgz', 'package']);
    const archive = await readFile(join(work, 'archive.tgz'));
    await rm(work, { recursive: true });
    return archive;
  }

  const bootstrap = () =>
    run(folder, './bootstrap', ['--packages-only'], {
      ...userEnvironment(),
      npm_config_registry: registry(),
      npm_config_cache: join(folder, 'cache'),
      npm_config_fetch_retries: '0',
    });
  const installed = async () =>
    Promise.all(
      NAMES.map(async (name) =>
        JSON.parse(await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8')),
      ),
    );
  const unchanged = ['bootstrap', 'cache', 'node_modules', 'package-lock.json', 'package.json'];

  it('./bootstrap fetches only the packages, and leaves the lockfile as it is', async () => {
    const before = await readFile(join(folder, 'package-lock.json'), 'utf8');
    const { exitCode, output } = await bootstrap();
    expect(exitCode, output).toBe(0);
    expect(await installed()).toMatchObject(NAMES.map((name) => ({ name })));
    expect(requests.toSorted()).toEqual(NAMES.map(addressOf).toSorted());
    expect(await readdir(folder)).toEqual(unchanged);
    expect(await readFile(join(folder, 'package-lock.json'), 'utf8')).toBe(before);
  });

  it('./bootstrap needs no network for packages that are in npm’s cache', async () => {
    expect((await bootstrap()).exitCode).toBe(0);
    await rm(join(folder, 'node_modules'), { recursive: true });
    const before = requests.length;
    const { exitCode, output } = await bootstrap();
    expect(exitCode, output).toBe(0);
    expect(await installed()).toMatchObject(NAMES.map((name) => ({ name })));
    expect(requests).toHaveLength(before);
  });

  it('./bootstrap asks a registry that has packages at other addresses for them', async () => {
    served = new Map(
      [...archives].flatMap(([name, archive], index): [string, string | Buffer][] => {
        const tarball = `${registry()}/files/${index}`;
        const dist = { tarball, integrity: integrityOf(archive) };
        const versions = { '1.0.0': { name, version: '1.0.0', dist } };
        return [
          [`${PREFIX}/${name}`, JSON.stringify({ name, 'dist-tags': { latest: '1.0.0' }, versions })],
          [`${PREFIX}/files/${index}`, archive],
        ];
      }),
    );
    const { exitCode, output } = await bootstrap();
    expect(exitCode, output).toBe(0);
    expect(await installed()).toMatchObject(NAMES.map((name) => ({ name })));
    expect(await readdir(folder)).toEqual(unchanged);
  });

  it('./bootstrap installs nothing whose content is not the locked one, says so, and leaves no lockfile', async () => {
    served.set(addressOf('plain'), await pack('another'));
    const { exitCode, output } = await bootstrap();
    expect(exitCode).toBe(1);
    expect(output).toMatch(/EINTEGRITY|E404/);
    expect(output).toContain('bootstrap: error: npm ci failed');
    expect(await readdir(folder)).not.toContain('npm-shrinkwrap.json');
  });
});

function integrityOf(archive: Buffer): string {
  return `sha512-${createHash('sha512').update(archive).digest('base64')}`;
}
