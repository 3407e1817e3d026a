import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { credentialSource } from '../src/registry/index.ts';

const run = promisify(execFile);
const SKOPEO = await run('skopeo', ['--version']).then(
  () => true,
  () => false,
);
const HOSTS = ['ghcr.io', 'docker.io', 'localhost:5000', 'a.example:5000'] as const;
// The keys that programs have written for a host in their files.
const KEYS: readonly (readonly [name: string, keyOf: (host: string) => string])[] = [
  ['the host', (host) => host],
  ['https:// before the host', (host) => `https://${host}`],
  ['http:// before the host', (host) => `http://${host}`],
  ['a slash after the host', (host) => `https://${host}/`],
  ['/v1/ after the host', (host) => `https://${host}/v1/`],
  ['/v2/ after the host', (host) => `https://${host}/v2/`],
  ['/v2/ after the bare host', (host) => `${host}/v2/`],
  ['capitals', (host) => host.toUpperCase()],
  ['a longer name', (host) => `not.${host}`],
  ['a namespace', (host) => `${host}/acme`],
  ['another port', (host) => `${host.replace(/:\d+$/, '')}:5001`],
  ['the host without its port', (host) => host.replace(/:\d+$/, '')],
  ['the old address of Docker Hub', () => 'https://index.docker.io/v1/'],
];
// We take these as they are meant; skopeo takes them for other hosts.
const MORE_THAN_SKOPEO: readonly string[] = ['/v2/ after the bare host', 'capitals'];

const auth = Buffer.from('user:canary').toString('base64');
const CASES = HOSTS.flatMap((host) => KEYS.map(([name, keyOf]) => [name, host, keyOf(host)] as const));

// Files by location, each with its location as the user name. With several files, the question is which one counts.
const PLACES = {
  named: 'named.json',
  login: 'run/containers/auth.json',
  user: '.config/containers/auth.json',
  xdg: 'xdg/containers/auth.json',
  docker: '.docker/config.json',
  elsewhere: 'elsewhere/config.json',
} as const;
type Place = keyof typeof PLACES;
// `~` is the home folder.
const FOUND: readonly (readonly [
  name: string,
  places: readonly Place[],
  environment: Readonly<Record<string, string>>,
])[] = [
  ['for this login session', ['login', 'user', 'docker'], {}],
  ['for the user', ['user', 'docker'], {}],
  ['for the user, in XDG_CONFIG_HOME', ['user', 'xdg', 'docker'], { XDG_CONFIG_HOME: '~/xdg' }],
  ["in Docker's configuration", ['docker'], {}],
  ['in DOCKER_CONFIG', ['docker', 'elsewhere'], { DOCKER_CONFIG: '~/elsewhere' }],
  ['nowhere, with an empty DOCKER_CONFIG', ['docker'], { DOCKER_CONFIG: '~/nothing' }],
  ['in REGISTRY_AUTH_FILE', ['named', 'login', 'docker'], { REGISTRY_AUTH_FILE: '~/named.json' }],
  ['nowhere', [], {}],
];

describe.skipIf(!SKOPEO && !process.env.CI)('credentials', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'credentials-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.concurrent.each(CASES)(
    'a key with %s yields the credentials for %s that skopeo finds',
    async (name, host, key) => {
      const file = join(folder, `${name}-${host}.json`.replaceAll(/[/:]/g, '_'));
      await writeFile(file, JSON.stringify({ auths: { [key]: { auth } } }));
      const source = credentialSource({
        environment: { REGISTRY_AUTH_FILE: file, HOME: folder },
        registries: [host],
        runHelper: async () => 'credentials not found in native keychain',
      });
      const ours = await source(host, undefined);
      const login = ['login', '--get-login', '--authfile', file, host];
      const theirs = await run('skopeo', login).then(
        ({ stdout }) => stdout.trim(),
        () => undefined,
      );
      const found = ours?.kind === 'basic' ? ours.username : undefined;
      if (MORE_THAN_SKOPEO.includes(name)) expect([found, theirs]).toEqual(['user', undefined]);
      else expect(found).toBe(theirs);
    },
  );

  it.concurrent.each(FOUND)(
    'credentials that are %s are the ones that skopeo finds',
    async (name, places, given) => {
      const home = await mkdtemp(join(folder, 'home-'));
      for (const place of places) {
        const path = join(home, PLACES[place]);
        await mkdir(dirname(path), { recursive: true });
        const own = Buffer.from(`${place}:canary`).toString('base64');
        await writeFile(path, JSON.stringify({ auths: { 'ghcr.io': { auth: own } } }));
      }
      const environment = {
        HOME: home,
        XDG_RUNTIME_DIR: join(home, 'run'),
        ...Object.fromEntries(Object.entries(given).map(([key, value]) => [key, value.replace('~', home)])),
      };
      const source = credentialSource({ environment, registries: ['ghcr.io'], runHelper: async () => '' });
      const ours = await source('ghcr.io', undefined);
      const theirs = await run('skopeo', ['login', '--get-login', 'ghcr.io'], {
        env: { PATH: process.env.PATH, ...environment },
      }).then(
        ({ stdout }) => stdout.trim(),
        () => undefined,
      );
      expect(ours?.kind === 'basic' ? ours.username : undefined, name).toBe(theirs);
      if (!name.startsWith('nowhere')) expect(theirs).toBeDefined();
    },
  );
});
