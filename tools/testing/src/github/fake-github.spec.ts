import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeGitHub, startFakeGitHub } from './fake-github.ts';

const COMMIT = 'c'.repeat(40);

describe('the fake GitHub', () => {
  let github: FakeGitHub;
  beforeEach(async () => {
    github = await startFakeGitHub({
      repository: 'o/r',
      token: 'secret',
      tags: { 'v1.0.0': COMMIT },
      immutable: true,
      workflows: true,
    });
  });
  afterEach(() => github[Symbol.asyncDispose]());

  const authorization = 'token secret';
  async function call(
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = { authorization },
  ) {
    const response = await fetch(`${github.baseUrl}/repos/o/r${path}`, {
      method,
      headers,
      redirect: 'manual',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    };
  }
  const draft = async (content: object = {}) =>
    (await call('POST', '/releases', { tag_name: 'v1.0.0', draft: true, ...content })).json;
  async function upload(release: { upload_url: string }, name: string, content = 'abc') {
    const response = await fetch(
      release.upload_url.replace('{?name,label}', `?name=${encodeURIComponent(name)}`),
      {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/octet-stream' },
        body: content,
      },
    );
    return { status: response.status, json: JSON.parse(await response.text()) };
  }

  it('the fake GitHub does not find a draft by its tag, and lists it only with write access', async () => {
    await draft();
    expect((await call('GET', '/releases/tags/v1.0.0')).status).toBe(404);
    expect((await call('GET', '/releases')).json).toHaveLength(1);
    expect((await call('GET', '/releases', undefined, {})).json).toEqual([]);
    expect((await call('GET', '/releases', undefined, { authorization: 'token read-secret' })).json).toEqual(
      [],
    );
  });

  it('the fake GitHub allows several drafts for a tag, but only one published release', async () => {
    const [first, second] = [await draft(), await draft()];
    expect(first.id).not.toBe(second.id);
    expect((await call('PATCH', `/releases/${first.id}`, { draft: false })).status).toBe(200);
    const taken = await call('PATCH', `/releases/${second.id}`, { draft: false });
    expect([taken.status, taken.json.errors[0].code]).toEqual([422, 'already_exists']);
    expect((await call('POST', '/releases', { tag_name: 'v1.0.0' })).status).toBe(422);
  });

  it('the fake GitHub has a separate host for uploads, and refuses an existing name with 422', async () => {
    const release = await draft();
    expect(new URL(release.upload_url.replace(/\{.*/, '')).host).not.toBe(new URL(github.baseUrl).host);
    expect((await upload(release, 'a')).json).toMatchObject({
      state: 'uploaded',
      size: 3,
      digest: 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    });
    const taken = await upload(release, 'a', 'other');
    expect([taken.status, taken.json.errors[0].code]).toEqual([422, 'already_exists']);
  });

  it('the fake GitHub replaces other characters in names with dots', async () => {
    expect((await upload(await draft(), 'my file(1).txt')).json.name).toBe('my.file.1.txt');
  });

  it('the fake GitHub redirects downloads to a third host, without a token', async () => {
    const release = await draft();
    const asset = (await upload(release, 'a')).json;
    const redirect = await call('GET', `/releases/assets/${asset.id}`, undefined, {
      authorization,
      accept: 'application/octet-stream',
    });
    expect(redirect.status).toBe(302);
    const location = redirect.headers.get('location') ?? '';
    expect(new URL(location).host).not.toBe(new URL(github.baseUrl).host);
    expect(await (await fetch(location)).text()).toBe('abc');
    expect((await fetch(github.downloadUrl('v1.0.0', 'a'))).status).toBe(404);
    await call('PATCH', `/releases/${release.id}`, { draft: false });
    expect(await (await fetch(github.downloadUrl('v1.0.0', 'a'))).text()).toBe('abc');
  });

  it('the fake GitHub sets the latest release by make_latest, and never to a prerelease', async () => {
    const publish = async (tag: string, content: object) =>
      call('PATCH', `/releases/${(await draft({ tag_name: tag, target_commitish: COMMIT })).id}`, {
        draft: false,
        ...content,
      });
    expect((await call('GET', '/releases/latest')).status).toBe(404);
    await publish('v1.2.0', { make_latest: 'true' });
    await publish('v1.1.0', { make_latest: 'false' });
    await publish('v1.3.0-rc.1', { prerelease: true, make_latest: 'true' });
    expect((await call('GET', '/releases/latest')).json.tag_name).toBe('v1.2.0');
    await publish('v1.2.1', {});
    expect((await call('GET', '/releases/latest')).json.tag_name).toBe('v1.2.1');
  });

  it('the fake GitHub requires a token that may change workflows only for a target commit', async () => {
    await using strict = await startFakeGitHub({
      repository: 'o/r',
      token: 'secret',
      tags: { 'v1.0.0': COMMIT },
    });
    const send = async (method: string, path: string, content: object) => {
      const response = await fetch(`${strict.baseUrl}/repos/o/r${path}`, {
        method,
        headers: { authorization },
        body: JSON.stringify(content),
      });
      return { status: response.status, json: JSON.parse(await response.text()) };
    };
    const content = { tag_name: 'v1.0.0', draft: true };
    const refused = await send('POST', '/releases', { ...content, target_commitish: COMMIT });
    expect([refused.status, refused.json.message]).toEqual([403, 'Resource not accessible by integration']);
    const made = await send('POST', '/releases', content);
    expect(made.status).toBe(201);
    const path = `/releases/${made.json.id}`;
    expect((await send('PATCH', path, { target_commitish: COMMIT })).status).toBe(403);
    expect((await send('PATCH', path, { draft: false })).status).toBe(200);
  });

  it('the fake GitHub creates a missing tag when a release is published', async () => {
    const release = await draft({ tag_name: 'v2.0.0', target_commitish: COMMIT });
    const commit = () =>
      call('GET', '/commits/tags/v2.0.0', undefined, { authorization, accept: 'application/vnd.github.sha' });
    expect((await commit()).status).toBe(422);
    await call('PATCH', `/releases/${release.id}`, { draft: false });
    expect((await commit()).text).toBe(COMMIT);
  });

  it('the fake GitHub changes only the title and notes of an immutable release', async () => {
    const release = await draft();
    const asset = (await upload(release, 'a')).json;
    expect((await call('PATCH', `/releases/${release.id}`, { draft: false })).json.immutable).toBe(true);
    expect((await upload(release, 'b')).status).toBe(422);
    expect((await call('DELETE', `/releases/assets/${asset.id}`)).status).toBe(422);
    expect((await call('PATCH', `/releases/${release.id}`, { draft: true })).status).toBe(422);
    expect((await call('PATCH', `/releases/${release.id}`, { body: 'notes' })).json.body).toBe('notes');
  });

  it('the fake GitHub refuses writes without write access', async () => {
    const wrong = { authorization: 'token wrong' };
    const reader = { authorization: 'token read-secret' };
    expect((await call('GET', '/releases', undefined, wrong)).status).toBe(401);
    expect((await call('POST', '/releases', { tag_name: 'v1.0.0' }, {})).status).toBe(401);
    expect((await call('POST', '/releases', { tag_name: 'v1.0.0' }, reader)).status).toBe(403);
  });

  it('the fake GitHub returns lists in pages', async () => {
    for (let count = 0; count < 3; count++) await draft();
    expect((await call('GET', '/releases?per_page=2&page=1')).json).toHaveLength(2);
    expect((await call('GET', '/releases?per_page=2&page=2')).json).toHaveLength(1);
  });

  it('an interrupted upload leaves an asset without content in the fake GitHub', async () => {
    const release = await draft();
    github.setFault((request) => (request.host === 'uploads' ? { kind: 'cut-off' } : undefined));
    await expect(upload(release, 'a')).rejects.toThrow();
    github.setFault(undefined);
    expect((await call('GET', `/releases/${release.id}/assets`)).json).toMatchObject([
      { name: 'a', state: 'starter', size: 0, digest: null },
    ]);
    expect((await upload(release, 'a')).status).toBe(422);
  });
});
