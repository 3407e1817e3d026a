import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An asset as stored by GitHub. */
export interface FakeAsset {
  readonly id: number;
  readonly name: string;
  readonly contentType: string;
  readonly state: 'uploaded' | 'starter';
  readonly content: Buffer;
}

/** A release as stored by GitHub. */
export interface FakeRelease {
  readonly id: number;
  tag: string;
  name: string;
  body: string;
  target: string;
  draft: boolean;
  prerelease: boolean;
  /** Set when it is published, if the repository has immutable releases. */
  immutable: boolean;
  publishedAt: string | null;
  readonly assets: FakeAsset[];
}

/** A request as received by the fake, without the token. */
export interface FakeRequest {
  readonly host: 'api' | 'uploads' | 'downloads';
  readonly method: string;
  readonly path: string;
  readonly authorized: boolean;
}

/** A fault in a request, instead of an answer or after the work was done. */
export type FakeFault =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly message?: string;
    }
  /** The connection closes before any answer; with `done`, after the work was done. */
  | { readonly kind: 'reset'; readonly done?: boolean }
  /** An upload is cut off, and leaves an asset without content. */
  | { readonly kind: 'cut-off' }
  /** The uploaded bytes are changed in transit. */
  | { readonly kind: 'corrupt' };

/** How a fake differs from github.com for most repositories. */
export interface FakeGitHubOptions {
  /** `owner/name`. */
  readonly repository: string;
  /** The token with write access. Others are refused; without one, only public content is visible. */
  readonly token: string;
  /** The commit of each tag. */
  readonly tags: Readonly<Record<string, string>>;
  /** A git repository on disk whose tags are added to these, as if pushed. */
  readonly gitFolder?: string;
  /** Whether the token may change workflows, as a user's token can, but never GITHUB_TOKEN. Default: false. */
  readonly workflows?: boolean;
  /** Whether published releases are immutable. */
  readonly immutable?: boolean;
  /** Whether the API returns digests of assets; those uploaded before mid-2025 have none. Default: true. */
  readonly digests?: boolean;
  /** Called for each request, in order; returns its fault, if any. */
  readonly fault?: (request: FakeRequest) => FakeFault | undefined;
}

/** A GitHub on loopback, with separate hosts for the API, uploads and downloads. */
export interface FakeGitHub extends AsyncDisposable {
  readonly baseUrl: string;
  readonly releases: readonly FakeRelease[];
  readonly requests: readonly FakeRequest[];
  /** Creates or moves a tag, like a push. */
  setTag(tag: string, commit: string): void;
  /** Replaces the fault. */
  setFault(fault: FakeGitHubOptions['fault']): void;
  /** The tag of the release that is marked as latest. */
  latestTag(): string | undefined;
  /** The URL at which anyone can download an asset of a published release. */
  downloadUrl(tag: string, name: string): string;
}

class HttpError extends Error {
  readonly status: number;
  readonly body: object;
  constructor(status: number, message: string, errors?: readonly object[]) {
    super(message);
    this.status = status;
    this.body = {
      message,
      ...(errors === undefined ? {} : { errors }),
      documentation_url: 'https://docs.github.com/rest',
      status: String(status),
    };
  }
}

/**
 * Starts a fake of the part of GitHub that releases use, faithful to https://docs.github.com/rest/releases. Drafts are
 * visible only with write access, and can't be found by their tag. Any number of drafts can share a tag, but published
 * releases can't. Uploads go to a separate host, and existing names are refused with 422. In repositories with
 * immutable releases, only the title and notes of a published release can change. `make_latest` determines the latest
 * release. Downloads are redirected to a third host, without a token.
 */
export async function startFakeGitHub(options: FakeGitHubOptions): Promise<FakeGitHub> {
  const state: State = {
    options,
    tags: new Map(Object.entries(options.tags)),
    releases: [],
    requests: [],
    fault: options.fault,
    nextId: 1,
    latest: undefined,
    tickets: new Map(),
    addresses: { api: '', uploads: '', downloads: '' },
  };
  const servers = await Promise.all(
    (['api', 'uploads', 'downloads'] as const).map(async (host) => {
      const server = createServer((request, response) => void answer(state, host, request, response));
      await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
      state.addresses[host] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      return server;
    }),
  );
  return {
    baseUrl: state.addresses.api,
    releases: state.releases,
    requests: state.requests,
    setTag: (tag, commit) => void state.tags.set(tag, commit),
    setFault: (fault) => {
      state.fault = fault;
    },
    latestTag: () => latestOf(state)?.tag,
    downloadUrl: (tag, name) =>
      `${state.addresses.downloads}/${options.repository}/releases/download/${encodeURIComponent(tag)}/${encodeURIComponent(name)}`,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map(close));
    },
  };
}

function commitOfTag({ tags, options: { gitFolder } }: State, tag: string): string | undefined {
  const known = tags.get(tag);
  if (known !== undefined || gitFolder === undefined) return known;
  const args = ['-C', gitFolder, 'rev-parse', '--quiet', '--verify', `refs/tags/${tag}^{commit}`];
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

interface State {
  readonly options: FakeGitHubOptions;
  readonly tags: Map<string, string>;
  readonly releases: FakeRelease[];
  readonly requests: FakeRequest[];
  fault: FakeGitHubOptions['fault'];
  nextId: number;
  latest: number | undefined;
  /** Signed URLs of downloads, by ticket. */
  readonly tickets: Map<string, FakeAsset>;
  readonly addresses: Record<FakeRequest['host'], string>;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object | Buffer | string;
}

async function answer(
  state: State,
  host: FakeRequest['host'],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', state.addresses[host]);
  const seen: FakeRequest = {
    host,
    method: request.method ?? 'GET',
    path: url.pathname + url.search,
    authorized: request.headers.authorization !== undefined,
  };
  state.requests.push(seen);
  const fault = state.fault?.(seen);
  try {
    const body = await readBody(request);
    if (fault?.kind === 'status') throw faultError(fault);
    if (fault?.kind === 'reset' && fault.done !== true) return void request.socket.destroy();
    const result = route(state, host, seen.method, url, request.headers, body, fault);
    if (fault?.kind === 'reset' || fault?.kind === 'cut-off') return void request.socket.destroy();
    send(response, result);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    const headers = fault?.kind === 'status' ? fault.headers : undefined;
    send(response, { status: error.status, body: error.body, ...(headers === undefined ? {} : { headers }) });
  }
}

function faultError({ status, message }: Extract<FakeFault, { kind: 'status' }>): HttpError {
  return new HttpError(status, message ?? `fault ${status}`);
}

function route(
  state: State,
  host: FakeRequest['host'],
  method: string,
  url: URL,
  headers: IncomingMessage['headers'],
  body: Buffer,
  fault: FakeFault | undefined,
): Answer {
  if (host === 'downloads') return download(state, url);
  const writes = authenticate(state, headers.authorization);
  const prefix = `/repos/${state.options.repository}`;
  if (!url.pathname.startsWith(`${prefix}/`)) throw notFound();
  const path = decodeURIComponent(url.pathname.slice(prefix.length));
  if (method !== 'GET' && !writes) {
    throw headers.authorization === undefined
      ? new HttpError(401, 'Requires authentication')
      : new HttpError(403, 'Resource not accessible by integration');
  }
  if (host === 'uploads') {
    const id = /^\/releases\/(\d+)\/assets$/.exec(path)?.[1];
    if (method !== 'POST' || id === undefined) throw notFound();
    return upload(state, Number(id), url, headers, body, fault);
  }
  const visible = state.releases.filter((each) => writes || !each.draft);
  const asset = /^\/releases\/assets\/(\d+)$/.exec(path)?.[1];
  const release = /^\/releases\/(\d+)(\/assets)?$/.exec(path);
  const tag = /^\/releases\/tags\/(.+)$/.exec(path)?.[1];
  const commit = /^\/commits\/tags\/(.+)$/.exec(path)?.[1];
  if (path === '/releases') {
    if (method === 'GET')
      return page(
        visible.toReversed().map((each) => releaseJson(state, each)),
        url,
      );
    if (method === 'POST') return { status: 201, body: releaseJson(state, create(state, json(body))) };
  }
  if (path === '/releases/latest' && method === 'GET') return found(state, latestOf(state));
  // A draft has no tag yet, so it can't be found by one.
  if (tag !== undefined && method === 'GET')
    return found(
      state,
      state.releases.find((each) => !each.draft && each.tag === tag),
    );
  if (release !== null) {
    const target = visible.find(({ id }) => id === Number(release[1]));
    if (target === undefined) throw notFound();
    if (release[2] !== undefined && method === 'GET')
      return page(
        target.assets.map((each) => assetJson(state, each)),
        url,
      );
    if (method === 'GET') return found(state, target);
    if (method === 'PATCH') return found(state, update(state, target, json(body)));
    if (method === 'DELETE') {
      state.releases.splice(state.releases.indexOf(target), 1);
      return { status: 204 };
    }
  }
  if (asset !== undefined) {
    const owner = visible.find(({ assets }) => assets.some(({ id }) => id === Number(asset)));
    const target = owner?.assets.find(({ id }) => id === Number(asset));
    if (owner === undefined || target === undefined) throw notFound();
    if (method === 'DELETE') {
      if (owner.immutable) throw new HttpError(422, 'Cannot delete asset from an immutable release');
      owner.assets.splice(owner.assets.indexOf(target), 1);
      return { status: 204 };
    }
    if (method === 'GET') {
      if (headers.accept !== 'application/octet-stream')
        return { status: 200, body: assetJson(state, target) };
      const ticket = randomBytes(16).toString('hex');
      state.tickets.set(ticket, target);
      return { status: 302, headers: { location: `${state.addresses.downloads}/signed?ticket=${ticket}` } };
    }
  }
  if (commit !== undefined && method === 'GET') {
    const sha = commitOfTag(state, commit);
    if (sha === undefined) throw new HttpError(422, `No commit found for SHA: tags/${commit}`);
    return headers.accept === 'application/vnd.github.sha'
      ? { status: 200, body: sha }
      : { status: 200, body: { sha } };
  }
  throw notFound();
}

function authenticate(state: State, authorization: string | undefined): boolean {
  if (authorization === undefined) return false;
  const token = authorization.replace(/^(token|bearer) /i, '');
  if (token === state.options.token) return true;
  if (token === `read-${state.options.token}`) return false;
  throw new HttpError(401, 'Bad credentials');
}

function create(state: State, content: Readonly<Record<string, unknown>>): FakeRelease {
  requireWorkflowsRight(state, content);
  const tag = String(content.tag_name ?? '');
  if (tag === '') throw new HttpError(422, 'Invalid request.\n\n"tag_name" wasn\'t supplied.');
  const release: FakeRelease = {
    id: state.nextId++,
    tag,
    name: '',
    body: '',
    target: 'main',
    draft: true,
    prerelease: false,
    immutable: false,
    publishedAt: null,
    assets: [],
  };
  if (content.draft !== true) requireFreeTag(state, tag, release);
  state.releases.push(release);
  return update(state, release, { draft: false, ...content });
}

/**
 * A target commit that changes workflows requires a token that may do so. The fake assumes that every commit does.
 * https://github.com/cli/cli/issues/9514, https://docs.github.com/rest/releases/releases#update-a-release
 */
function requireWorkflowsRight(state: State, content: Readonly<Record<string, unknown>>): void {
  if (content.target_commitish === undefined || state.options.workflows === true) return;
  throw new HttpError(403, 'Resource not accessible by integration');
}

function requireFreeTag(state: State, tag: string, self: FakeRelease): void {
  if (!state.releases.some((each) => each !== self && !each.draft && each.tag === tag)) return;
  throw new HttpError(422, 'Validation Failed', [
    { resource: 'Release', code: 'already_exists', field: 'tag_name' },
  ]);
}

function update(state: State, release: FakeRelease, content: Readonly<Record<string, unknown>>): FakeRelease {
  requireWorkflowsRight(state, content);
  const draft = typeof content.draft === 'boolean' ? content.draft : release.draft;
  const tag = typeof content.tag_name === 'string' ? content.tag_name : release.tag;
  if (release.immutable && (draft || tag !== release.tag))
    throw new HttpError(422, 'Validation Failed', [
      { resource: 'Release', code: 'custom', message: 'is immutable' },
    ]);
  if (!draft) requireFreeTag(state, tag, release);
  const publishes = release.draft && !draft;
  release.tag = tag;
  release.draft = draft;
  if (typeof content.name === 'string') release.name = content.name;
  if (typeof content.body === 'string') release.body = content.body;
  if (release.body.length > 125_000)
    throw new HttpError(422, 'body is too long (maximum is 125000 characters)');
  if (typeof content.prerelease === 'boolean') release.prerelease = content.prerelease;
  if (typeof content.target_commitish === 'string') release.target = content.target_commitish;
  if (publishes) {
    release.publishedAt = new Date().toISOString();
    release.immutable = state.options.immutable === true;
    // Publishing creates the tag if it is missing.
    if (commitOfTag(state, tag) === undefined) state.tags.set(tag, release.target);
  }
  if (!release.draft && !release.prerelease) {
    const makeLatest = content.make_latest ?? (publishes ? 'true' : 'unchanged');
    if (makeLatest === 'true') state.latest = release.id;
    else if (makeLatest === 'false' && state.latest === release.id) state.latest = undefined;
  }
  return release;
}

/** The release marked as latest, or else the newest published one that is not a prerelease. */
function latestOf(state: State): FakeRelease | undefined {
  const stable = state.releases.filter((each) => !each.draft && !each.prerelease);
  return stable.find(({ id }) => id === state.latest) ?? stable.at(-1);
}

function upload(
  state: State,
  id: number,
  url: URL,
  headers: IncomingMessage['headers'],
  body: Buffer,
  fault: FakeFault | undefined,
): Answer {
  const release = state.releases.find((each) => each.id === id);
  if (release === undefined) throw notFound();
  if (release.immutable) throw new HttpError(422, 'Cannot upload assets to an immutable release.');
  const name = storedName(url.searchParams.get('name') ?? '');
  if (name === '') throw new HttpError(400, 'Bad Content-Length or name');
  if (headers['content-type'] === undefined) throw new HttpError(400, 'Content-Type is required');
  if (release.assets.some((each) => each.name === name)) {
    throw new HttpError(422, 'Validation Failed', [
      { resource: 'ReleaseAsset', code: 'already_exists', field: 'name' },
    ]);
  }
  const cutOff = fault?.kind === 'cut-off';
  const content = cutOff
    ? Buffer.alloc(0)
    : fault?.kind === 'corrupt'
      ? Buffer.from(body).fill(0x21, 0, 1)
      : body;
  const asset: FakeAsset = {
    id: state.nextId++,
    name,
    contentType: headers['content-type'],
    state: cutOff ? 'starter' : 'uploaded',
    content,
  };
  release.assets.push(asset);
  return { status: 201, body: assetJson(state, asset) };
}

/** GitHub keeps letters, digits, `-`, `_`, `+` and inner dots in a name, and replaces other characters with one dot. */
function storedName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_+-]+/g, '.').replaceAll(/^\.+|\.+$/g, '');
}

function download(state: State, url: URL): Answer {
  const ticket = state.tickets.get(url.searchParams.get('ticket') ?? '');
  const [, tag, name] = /\/releases\/download\/([^/]+)\/([^/]+)$/.exec(url.pathname) ?? [];
  const asset =
    ticket ??
    state.releases
      .find((each) => !each.draft && each.tag === decodeURIComponent(tag ?? ''))
      ?.assets.find((each) => each.name === decodeURIComponent(name ?? ''));
  if (asset === undefined) throw notFound();
  return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: asset.content };
}

function page(items: readonly object[], url: URL): Answer {
  const size = Math.min(100, Number(url.searchParams.get('per_page') ?? 30));
  const at = Number(url.searchParams.get('page') ?? 1);
  return { status: 200, body: items.slice((at - 1) * size, at * size) };
}

function found(state: State, release: FakeRelease | undefined): Answer {
  if (release === undefined) throw notFound();
  return { status: 200, body: releaseJson(state, release) };
}

function releaseJson(state: State, release: FakeRelease): object {
  const base = `${state.addresses.api}/repos/${state.options.repository}/releases/${release.id}`;
  return {
    id: release.id,
    url: base,
    assets_url: `${base}/assets`,
    upload_url: `${state.addresses.uploads}/repos/${state.options.repository}/releases/${release.id}/assets{?name,label}`,
    html_url: `https://github.example/${state.options.repository}/releases/tag/${release.draft ? `untagged-${release.id}` : release.tag}`,
    tag_name: release.tag,
    target_commitish: release.target,
    name: release.name,
    body: release.body,
    draft: release.draft,
    prerelease: release.prerelease,
    immutable: release.immutable,
    published_at: release.publishedAt,
    assets: release.assets.map((each) => assetJson(state, each)),
  };
}

function assetJson(state: State, asset: FakeAsset): object {
  return {
    id: asset.id,
    name: asset.name,
    state: asset.state,
    size: asset.content.length,
    content_type: asset.contentType,
    digest:
      state.options.digests === false || asset.state === 'starter'
        ? null
        : `sha256:${createHash('sha256').update(asset.content).digest('hex')}`,
  };
}

function json(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new HttpError(400, 'Problems parsing JSON');
  }
}

function notFound(): HttpError {
  return new HttpError(404, 'Not Found');
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  const raw = Buffer.isBuffer(body) || typeof body === 'string';
  response.writeHead(status, {
    'content-type': raw ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8',
    'x-ratelimit-remaining': '4999',
    'x-ratelimit-reset': String(Math.ceil(Date.now() / 1000) + 3600),
    ...headers,
  });
  response.end(body === undefined ? undefined : raw ? body : JSON.stringify(body));
}

function close(server: Server): Promise<void> {
  return new Promise((done, failed) => {
    server.close((error) => (error === undefined ? done() : failed(error)));
    server.closeAllConnections();
  });
}
