import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OciError } from '../../errors.ts';
import { type Credentials, credentialSource } from './index.ts';
import { keysOf } from './keys.ts';

const authOf = (user: string): string => Buffer.from(`${user}:canary`).toString('base64');
const named = (user: string): { readonly auth: string } => ({ auth: authOf(user) });

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'credentials-'));
});
afterEach(() => rm(home, { recursive: true }));

async function put(path: string, content: unknown): Promise<void> {
  await mkdir(dirname(join(home, path)), { recursive: true });
  await writeFile(join(home, path), typeof content === 'string' ? content : JSON.stringify(content));
}

interface Case {
  readonly config?: unknown;
  readonly files?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly helpers?: Readonly<Record<string, string>>;
  readonly registry?: string;
  readonly repository?: string;
}

async function find(each: Case): Promise<Credentials | undefined> {
  const { registry = 'ghcr.io', repository, environment = {}, helpers = {} } = each;
  const files = {
    ...(each.config === undefined ? {} : { '.docker/config.json': each.config }),
    ...each.files,
  };
  for (const [path, content] of Object.entries(files)) await put(path, content);
  const inHome = Object.entries(environment).map(
    ([name, value]) => [name, value.replace('~', home)] as const,
  );
  const source = credentialSource({
    environment: { HOME: home, XDG_RUNTIME_DIR: join(home, 'run'), ...Object.fromEntries(inHome) },
    registries: [registry],
    runHelper: async (helper, host) =>
      helpers[`${helper} ${host}`] ?? 'credentials not found in native keychain',
  });
  return source(registry, repository);
}

const secret = JSON.stringify({ Username: 'helped', Secret: 'canary' });
const auths = (...entries: readonly (readonly [string, object])[]): { readonly auths: object } => ({
  auths: Object.fromEntries(entries),
});

describe('credentials', () => {
  it.each<readonly [string, Case, string | undefined]>([
    ['the host', { config: auths(['ghcr.io', named('a')]) }, 'a'],
    ['https:// before the host', { config: auths(['https://ghcr.io', named('a')]) }, 'a'],
    ['http:// before the host', { config: auths(['http://ghcr.io', named('a')]) }, 'a'],
    ['a slash after the host', { config: auths(['https://ghcr.io/', named('a')]) }, 'a'],
    ['/v1/ after the host', { config: auths(['https://ghcr.io/v1/', named('a')]) }, 'a'],
    ['/v2 after the host', { config: auths(['https://ghcr.io/v2', named('a')]) }, 'a'],
    ['/v2/ after the bare host', { config: auths(['ghcr.io/v2/', named('a')]) }, 'a'],
    ['uppercase in the key', { config: auths(['GHCR.io', named('a')]) }, 'a'],
    [
      'the plain key before one that means the same',
      { config: auths(['https://ghcr.io/v1/', named('b')], ['ghcr.io', named('a')]) },
      'a',
    ],
    ['another host that ends the same way', { config: auths(['not.ghcr.io', named('a')]) }, undefined],
    ['another host that starts the same way', { config: auths(['ghcr.io.example', named('a')]) }, undefined],
    [
      'another port',
      { registry: 'a.example:5000', config: auths(['a.example:5001', named('a')]) },
      undefined,
    ],
    [
      'the host without its port',
      { registry: 'a.example:5000', config: auths(['a.example', named('a')]) },
      undefined,
    ],
    [
      'the host with its port',
      { registry: 'a.example:5000', config: auths(['http://a.example:5000/v2/', named('a')]) },
      'a',
    ],
    [
      'localhost with its port',
      { registry: 'localhost:5000', config: auths(['localhost:5000', named('a')]) },
      'a',
    ],
    [
      'Docker Hub by its old address',
      { registry: 'docker.io', config: auths(['https://index.docker.io/v1/', named('a')]) },
      'a',
    ],
    ['Docker Hub by its name', { registry: 'docker.io', config: auths(['docker.io', named('a')]) }, 'a'],
    [
      'Docker Hub by its API',
      { registry: 'docker.io', config: auths(['registry-1.docker.io', named('a')]) },
      'a',
    ],
    [
      'a repository',
      { repository: 'acme/app', config: auths(['ghcr.io', named('b')], ['ghcr.io/acme/app', named('a')]) },
      'a',
    ],
    [
      'a namespace',
      { repository: 'acme/app', config: auths(['ghcr.io', named('b')], ['ghcr.io/acme', named('a')]) },
      'a',
    ],
    [
      'the nearer of two namespaces',
      { repository: 'a/b/c', config: auths(['ghcr.io/a', named('b')], ['ghcr.io/a/b', named('a')]) },
      'a',
    ],
    ['another namespace', { repository: 'acme/app', config: auths(['ghcr.io/acm', named('a')]) }, undefined],
    [
      'a namespace on Docker Hub',
      { registry: 'docker.io', repository: 'acme/app', config: auths(['docker.io/acme', named('a')]) },
      'a',
    ],
    ['username and password', { config: auths(['ghcr.io', { username: 'a', password: 'canary' }]) }, 'a'],
    ['a username alone', { config: auths(['ghcr.io', { username: 'a' }]) }, undefined],
    [
      'auth before username and password',
      { config: auths(['ghcr.io', { ...named('a'), username: 'b', password: 'c' }]) },
      'a',
    ],
    ['an empty entry, as with a helper', { config: auths(['ghcr.io', {}]) }, undefined],
    ['an entry that is null', { config: { auths: { 'ghcr.io': null } } }, undefined],
    ['an empty auth', { config: auths(['ghcr.io', { auth: '' }]) }, undefined],
    [
      'an identity token',
      { config: auths(['ghcr.io', { ...named('b'), identitytoken: 'canary' }]) },
      'identity',
    ],
    ['a registry token', { config: auths(['ghcr.io', { registrytoken: 'canary' }]) }, 'token'],
    ['an empty file', { config: '' }, undefined],
    ['no auths', { config: { auths: null, HttpHeaders: {} } }, undefined],
    [
      'a helper for the host',
      { config: { credHelpers: { 'ghcr.io': 'x' } }, helpers: { 'x ghcr.io': secret } },
      'helped',
    ],
    [
      'a helper by another key',
      { config: { credHelpers: { 'https://ghcr.io': 'x' } }, helpers: { 'x ghcr.io': secret } },
      'helped',
    ],
    ['a helper for all hosts', { config: { credsStore: 'x' }, helpers: { 'x ghcr.io': secret } }, 'helped'],
    [
      'a helper for Docker Hub',
      {
        registry: 'docker.io',
        config: { credsStore: 'x' },
        helpers: { 'x https://index.docker.io/v1/': secret },
      },
      'helped',
    ],
    [
      'auths after a helper that finds nothing',
      { config: { credsStore: 'x', ...auths(['ghcr.io', named('a')]) } },
      'a',
    ],
    [
      'a helper with no secret',
      { config: { credsStore: 'x' }, helpers: { 'x ghcr.io': '{"Username":"","Secret":""}' } },
      undefined,
    ],
    [
      "podman's file for this login session",
      {
        files: { 'run/containers/auth.json': auths(['ghcr.io', named('a')]) },
        config: auths(['ghcr.io', named('b')]),
      },
      'a',
    ],
    [
      "podman's file for the user",
      {
        files: { '.config/containers/auth.json': auths(['ghcr.io', named('a')]) },
        config: auths(['ghcr.io', named('b')]),
      },
      'a',
    ],
    [
      "podman's file in XDG_CONFIG_HOME",
      {
        environment: { XDG_CONFIG_HOME: '~/xdg' },
        files: { 'xdg/containers/auth.json': auths(['ghcr.io', named('a')]) },
      },
      'a',
    ],
    [
      "Docker's file if podman's has another host",
      {
        files: { 'run/containers/auth.json': auths(['quay.io', named('b')]) },
        config: auths(['ghcr.io', named('a')]),
      },
      'a',
    ],
    [
      'REGISTRY_AUTH_FILE',
      {
        environment: { REGISTRY_AUTH_FILE: '~/my.json' },
        files: { 'my.json': auths(['ghcr.io', named('a')]) },
        config: auths(['ghcr.io', named('b')]),
      },
      'a',
    ],
    [
      'only REGISTRY_AUTH_FILE',
      {
        environment: { REGISTRY_AUTH_FILE: '~/my.json' },
        files: { 'my.json': {} },
        config: auths(['ghcr.io', named('b')]),
      },
      undefined,
    ],
    [
      'DOCKER_CONFIG',
      {
        environment: { DOCKER_CONFIG: '~/docker' },
        files: { 'docker/config.json': auths(['ghcr.io', named('a')]) },
        config: auths(['ghcr.io', named('b')]),
      },
      'a',
    ],
    [
      'only DOCKER_CONFIG',
      { environment: { DOCKER_CONFIG: '~/none' }, config: auths(['ghcr.io', named('b')]) },
      undefined,
    ],
    [
      'REGISTRY_USERNAME',
      {
        environment: { REGISTRY_USERNAME: 'a', REGISTRY_PASSWORD: 'canary' },
        config: auths(['ghcr.io', named('b')]),
      },
      'a',
    ],
    [
      'REGISTRY_HOST with a scheme',
      {
        environment: { REGISTRY_USERNAME: 'a', REGISTRY_PASSWORD: 'canary', REGISTRY_HOST: 'http://ghcr.io' },
      },
      'a',
    ],
    [
      'REGISTRY_HOST with /v2/',
      {
        environment: {
          REGISTRY_USERNAME: 'a',
          REGISTRY_PASSWORD: 'canary',
          REGISTRY_HOST: 'https://GHCR.io/v2/',
        },
      },
      'a',
    ],
    [
      'REGISTRY_HOST for Docker Hub',
      {
        registry: 'docker.io',
        environment: {
          REGISTRY_USERNAME: 'a',
          REGISTRY_PASSWORD: 'canary',
          REGISTRY_HOST: 'index.docker.io',
        },
      },
      'a',
    ],
    [
      'the file if REGISTRY_HOST is another registry',
      {
        environment: { REGISTRY_USERNAME: 'b', REGISTRY_PASSWORD: 'canary', REGISTRY_HOST: 'quay.io' },
        config: auths(['ghcr.io', named('a')]),
      },
      'a',
    ],
  ])('credentials are found as Docker finds them, by %s', async (_, each, expected) => {
    const found = await find(each);
    expect(found?.kind === 'basic' ? found.username : found?.kind).toBe(expected);
  });

  it.each<readonly [string, unknown]>([
    ['an array', []],
    ['null', 'null'],
    ['a number', '1'],
    ['auths that is an array', { auths: [] }],
    ['auths that is a string', { auths: 'canary' }],
    ['an entry that is a string', { auths: { 'ghcr.io': 'canary' } }],
    ['an entry that is an array', { auths: { 'ghcr.io': ['canary'] } }],
    ['an auth that is a number', { auths: { 'ghcr.io': { auth: 1 } } }],
    ['an identity token that is an object', { auths: { 'ghcr.io': { identitytoken: { a: 'canary' } } } }],
    ['a helper that is a number', { credsStore: 1 }],
    ['helpers that are an array', { credHelpers: ['canary'] }],
    ['broken JSON', '{"auths":{"ghcr.io":{"auth":"canary'],
  ])('credentials in %s are refused with a typed error that reveals no secret', async (_, config) => {
    const error = await find({ config }).catch((caught) => caught);
    expect(error).toMatchObject({
      code: 'CREDENTIALS',
      message: expect.stringContaining('.docker/config.json: '),
    });
    expect(`${error.message}${error.hint}${error.stack}`).not.toContain('canary');
  });

  it('credentials in any JSON are found, not found, or refused with a typed error', async () => {
    const value = fc.oneof(fc.string(), fc.constant(null), fc.integer(), fc.array(fc.string()), fc.object());
    const entry = fc.record(
      { auth: value, username: value, password: value, identitytoken: value },
      { requiredKeys: [] },
    );
    const config = fc.oneof(
      fc.json(),
      fc
        .record(
          { auths: fc.oneof(value, fc.record({ 'ghcr.io': fc.oneof(value, entry) })), credsStore: value },
          { requiredKeys: [] },
        )
        .map((each) => JSON.stringify(each)),
    );
    await fc.assert(
      fc.asyncProperty(config, async (text) => {
        await find({ config: text }).catch((error) => expect(error).toBeInstanceOf(OciError));
      }),
      { numRuns: 200 },
    );
  });
});

describe('keys', () => {
  it('keysOf lists the most specific key of a repository first', () => {
    const expected = ['docker.io/a/b', 'docker.io/a', 'docker.io'];
    expect(keysOf('https://index.docker.io/v1/', 'a/b')).toEqual(expected);
    expect(keysOf('ghcr.io', undefined)).toEqual(['ghcr.io']);
  });
});
