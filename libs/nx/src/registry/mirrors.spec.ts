import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Digest, MEDIA_TYPES } from '@prebuilt/oci';
import { type FakeRegistry, sleepingClock, startFakeRegistry } from '@prebuilt/testing/registry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withConnection } from './connect.ts';
import { mirrorsOf } from './mirrors.ts';

const HUB = { registry: 'docker.io', repository: 'library/node' };

describe('mirrors', () => {
  it.each([
    ['none if the variable is not set', undefined, []],
    ['those of Docker Hub for a host', 'mirror.example', ['mirror.example library/node']],
    ['a path on a host', 'mirror.example/hub/', ['mirror.example hub/library/node']],
    [
      'several, in order',
      'https://a.example, localhost:5000 ,',
      ['a.example library/node', 'localhost:5000 library/node'],
    ],
    ['not those of another registry', 'quay.io=a.example', []],
    [
      'those of a registry given by name',
      'docker.io=a.example,quay.io=b.example',
      ['a.example library/node'],
    ],
  ])('mirrors are %s', (_, text, expected) => {
    expect(mirrorsOf(text, HUB).map(({ registry, repository }) => `${registry} ${repository}`)).toEqual(
      expected,
    );
  });

  it.each([
    'mirror',
    'http://mirror.example',
    'mirror.example/UPPER',
    '=mirror.example',
    'a.example/x:tag',
    'u:p@a.example',
  ])('mirrors can’t be %j', (text) => {
    expect(() => mirrorsOf(text, HUB)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining('REGISTRY_MIRRORS: expected'),
      }),
    );
  });
});

describe('reading an image', () => {
  const bytes = Buffer.from('{"schemaVersion":2}');
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
  let mirror: FakeRegistry;
  let origin: FakeRegistry;
  beforeEach(async () => {
    [mirror, origin] = await Promise.all([startFakeRegistry(), startFakeRegistry()]);
    origin.manifests.set(`a/b@${digest}`, { bytes, mediaType: MEDIA_TYPES.index });
  });
  afterEach(() => Promise.all([mirror.close(), origin.close()]));

  async function read(passed: string[] = [], more: Readonly<Record<string, string>> = {}): Promise<Buffer> {
    const repository = { registry: origin.host, repository: 'a/b' };
    const environment = {
      REGISTRY_MIRRORS: `${origin.host}=${mirror.host}/m`,
      HOME: '/nonexistent',
      ...more,
    };
    return withConnection(
      [repository],
      { rights: 'pull' },
      { environment, clock: sleepingClock() },
      async ({ sourceOf }) =>
        (await sourceOf(repository, (line) => passed.push(line)).getManifest(digest)).bytes,
    );
  }

  it('an image is read from a mirror that has it, and its registry is not contacted', async () => {
    mirror.manifests.set(`m/a/b@${digest}`, { bytes, mediaType: MEDIA_TYPES.index });
    expect(await read()).toEqual(bytes);
    expect(origin.log).toEqual([]);
  });

  it('an image is read from its registry if the mirror does not have it, and the output says so', async () => {
    const passed: string[] = [];
    expect(await read(passed)).toEqual(bytes);
    expect(passed).toEqual([expect.stringContaining(`${mirror.host}/m/a/b: manifest ${digest}`)]);
  });

  it('an image is read from its registry if the mirror returns different bytes', async () => {
    mirror.manifests.set(`m/a/b@${digest}`, { bytes: Buffer.from('{}'), mediaType: MEDIA_TYPES.index });
    const passed: string[] = [];
    expect(await read(passed)).toEqual(bytes);
    expect(passed).toEqual([expect.stringContaining('expected content with that digest')]);
  });

  it('an image is read without the credentials for pushing, unless REGISTRY_HOST names the registry', async () => {
    const auth = { scheme: 'basic', username: 'pusher', password: 'canary' } as const;
    origin.behave({ auth });
    const pusher = { REGISTRY_USERNAME: auth.username, REGISTRY_PASSWORD: auth.password };
    await expect(read([], pusher)).rejects.toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
    expect(new Set([...origin.authorizations, ...mirror.authorizations])).toEqual(new Set([undefined]));
    expect(await read([], { ...pusher, REGISTRY_HOST: origin.host })).toEqual(bytes);
    expect(new Set(mirror.authorizations)).toEqual(new Set([undefined]));
  });

  it('an image is requested from each place with the login for that host', async () => {
    const logins = [mirror, origin].map((registry, index) => {
      const login = { username: `user${index}`, password: `canary${index}` };
      registry.behave({ auth: { scheme: 'basic', ...login } });
      return { registry, basic: Buffer.from(`${login.username}:${login.password}`).toString('base64') };
    });
    const folder = await mkdtemp(join(tmpdir(), 'logins-'));
    try {
      const file = join(folder, 'auth.json');
      const auths = logins.map(({ registry, basic }) => [registry.host, { auth: basic }] as const);
      await writeFile(file, JSON.stringify({ auths: Object.fromEntries(auths) }));
      expect(await read([], { REGISTRY_AUTH_FILE: file })).toEqual(bytes);
      for (const { registry, basic } of logins)
        expect(new Set(registry.authorizations)).toEqual(new Set([undefined, `Basic ${basic}`]));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
