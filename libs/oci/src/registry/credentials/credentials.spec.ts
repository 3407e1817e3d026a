import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CredentialSource, credentialSource, type RunHelper } from './index.ts';

const SECRET = 'canary-password';
const auth = Buffer.from(`user:${SECRET}`).toString('base64');
const BASIC = { kind: 'basic', username: 'user', password: SECRET };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'credentials-'));
});
afterEach(() => rm(folder, { recursive: true }));

const noHelper: RunHelper = async (helper) => {
  throw new Error(`docker-credential-${helper} must not be run`);
};

async function source(
  config: unknown,
  environment: object = {},
  runHelper = noHelper,
): Promise<CredentialSource> {
  if (config !== undefined) {
    await writeFile(
      join(folder, 'config.json'),
      typeof config === 'string' ? config : JSON.stringify(config),
    );
  }
  return credentialSource({
    environment: { DOCKER_CONFIG: folder, ...environment },
    registries: ['ghcr.io'],
    runHelper,
  });
}

describe("Docker's configuration", () => {
  it.each([
    ['the host', 'ghcr.io', { auths: { 'ghcr.io': { auth } } }],
    ['the host with its scheme', 'ghcr.io', { auths: { 'https://ghcr.io': { auth } } }],
    ["Docker Hub's old name", 'docker.io', { auths: { 'https://index.docker.io/v1/': { auth } } }],
    ['a host with a port', 'localhost:5000', { auths: { 'localhost:5000': { auth } } }],
  ])("finds credentials in Docker's configuration by %s", async (_, registry, config) => {
    expect(await (await source(config))(registry)).toEqual(BASIC);
  });

  it('keeps the colons in a password', async () => {
    const find = await source({
      auths: { 'ghcr.io': { auth: Buffer.from('user:a:b:c').toString('base64') } },
    });
    expect(await find('ghcr.io')).toMatchObject({ password: 'a:b:c' });
  });

  it('returns an identity token', async () => {
    const find = await source({ auths: { 'ghcr.io': { identitytoken: SECRET } } });
    expect(await find('ghcr.io')).toEqual({ kind: 'identity', token: SECRET });
  });

  it.each([
    ['no file', undefined],
    ['an empty configuration', {}],
    ['another host', { auths: { 'ghcr.io.example.com': { auth }, 'https://example.com/ghcr.io': { auth } } }],
    ['an entry without credentials', { auths: { 'ghcr.io': {} } }],
  ])('finds no credentials in %s', async (_, config) => {
    expect(await (await source(config))('ghcr.io')).toBeUndefined();
  });

  it.each([
    ['text that is not JSON', `{"auths": {"ghcr.io": {"auth": "${auth}"`, 'expected JSON'],
    [
      'an auth without a colon',
      { auths: { 'ghcr.io': { auth: Buffer.from(SECRET).toString('base64') } } },
      'name:password',
    ],
    [
      'a helper with a path for a name',
      { credsStore: '../../bin/evil' },
      'not the name of a credential helper',
    ],
  ])('refuses %s and reveals no secret', async (_, config, says) => {
    const find = await source(config);
    const error = await find('ghcr.io').catch((caught) => caught);
    expect(error).toMatchObject({ code: 'CREDENTIALS', message: expect.stringContaining(says) });
    expect(`${error.message}${error.hint}${error.stack}`).not.toMatch(new RegExp(`${SECRET}|${auth}`));
  });

  it('names a file that cannot be read', async () => {
    await mkdir(join(folder, 'config.json'));
    await chmod(join(folder, 'config.json'), 0o700);
    await expect((await source(undefined))('ghcr.io')).rejects.toMatchObject({
      code: 'CREDENTIALS',
      message: expect.stringContaining(`${folder}/config.json: can't be read: EISDIR`),
    });
  });
});

describe('a credential helper', () => {
  const answering =
    (answer: string, asked: string[] = []): RunHelper =>
    async (helper, host) => {
      asked.push(`${helper} ${host}`);
      return answer;
    };

  it("a host's own credential helper is asked before the store and auths", async () => {
    const asked: string[] = [];
    const config = {
      credHelpers: { 'ghcr.io': 'gh' },
      credsStore: 'store',
      auths: { 'ghcr.io': { auth: 'x' } },
    };
    const find = await source(
      config,
      {},
      answering(JSON.stringify({ Username: 'user', Secret: SECRET }), asked),
    );
    expect(await find('ghcr.io')).toEqual(BASIC);
    expect(asked).toEqual(['gh ghcr.io']);
  });

  it('a credential helper may return a token instead of a password', async () => {
    const find = await source(
      { credsStore: 'store' },
      {},
      answering(JSON.stringify({ Username: '<token>', Secret: SECRET })),
    );
    expect(await find('ghcr.io')).toEqual({ kind: 'identity', token: SECRET });
  });

  it('auths is used if a credential helper finds nothing', async () => {
    const config = { credsStore: 'store', auths: { 'ghcr.io': { auth } } };
    const find = await source(config, {}, answering('credentials not found in native keychain\n'));
    expect(await find('ghcr.io')).toEqual(BASIC);
  });

  it('a credential helper with an invalid answer is named, without its answer', async () => {
    const find = await source(
      { credsStore: 'store' },
      {},
      answering(`{"Username": "user", "Secret": "${SECRET}`),
    );
    const error = await find('ghcr.io').catch((caught) => caught);
    expect(error.message).toContain('docker-credential-store');
    expect(`${error.message}${error.stack}`).not.toContain(SECRET);
  });
});

describe('REGISTRY_USERNAME and REGISTRY_PASSWORD', () => {
  const given = { REGISTRY_USERNAME: 'user', REGISTRY_PASSWORD: SECRET };
  const find = (environment: object, registries: readonly string[]): CredentialSource =>
    credentialSource({
      environment: { DOCKER_CONFIG: folder, ...environment },
      registries,
      runHelper: noHelper,
    });

  it('REGISTRY_USERNAME and REGISTRY_PASSWORD apply only to the one registry in use', async () => {
    expect(await find(given, ['ghcr.io', 'ghcr.io'])('ghcr.io')).toEqual(BASIC);
    expect(await find(given, ['ghcr.io'])('example.com')).toBeUndefined();
  });

  it('REGISTRY_USERNAME and REGISTRY_PASSWORD apply to REGISTRY_HOST if there are several', async () => {
    const several = find({ ...given, REGISTRY_HOST: 'b.example' }, ['a.example', 'b.example']);
    expect(await several('b.example')).toEqual(BASIC);
    expect(await several('a.example')).toBeUndefined();
    expect(() => find(given, ['a.example', 'b.example'])).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('REGISTRY_HOST') }),
    );
  });

  it('REGISTRY_USERNAME and REGISTRY_PASSWORD are refused unless both are set', () => {
    expect(() => find({ REGISTRY_USERNAME: 'user' }, ['ghcr.io'])).toThrow('found one');
  });
});
