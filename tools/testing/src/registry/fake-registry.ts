import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** How a fake registry behaves. */
export interface FakeRegistryOptions {
  /** Who may push and pull; anyone where it is left out. Tokens are asked for with Basic credentials. */
  readonly auth?: {
    readonly scheme: 'basic' | 'bearer';
    readonly username: string;
    readonly password: string;
  };
  /** Whether tokens allow pushing. */
  readonly mayPush?: boolean;
  /** Seconds until a token expires. */
  readonly tokenSeconds?: number;
  /** Whether it answers the referrers API, as registries of specification 1.1 do. */
  readonly referrers?: boolean;
  /** Whether it makes the tags that a manifest put by digest comes with as parameters; else it ignores them. */
  readonly tagsByDigest?: boolean;
  /**
   * What the URL of an upload is good for. `lasting`: everything, however many bytes have come since it was given.
   * `at-offset`: then only for asking how far the upload is, which gives its present URL, as in version 3 of
   * distribution. `at-offset-only`: then for nothing, as in version 2.
   */
  readonly uploadUrls?: 'lasting' | 'at-offset' | 'at-offset-only';
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Replaces the body of a manifest or blob that is read. */
  readonly lie?: (path: string, content: Buffer) => Buffer;
}

interface Stored {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** A registry in memory, and what was asked of it. */
export interface FakeRegistry {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  /** Every request as `METHOD /path`, without the query. */
  readonly log: string[];
  /** The `Authorization` headers that it was sent, in order, `undefined` for none. */
  readonly authorizations: (string | undefined)[];
  /** The content of blobs by digest, of all repositories. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  /** Puts a blob into a repository. */
  seed(repository: string, content: Buffer): void;
  /** Manifests by `repository@digest`. */
  readonly manifests: Map<string, Stored>;
  /** Digests by `repository:tag`. */
  readonly tags: Map<string, string>;
  /** Every time that a request made or moved a tag: `repository:tag` and the digest that it named from then on. */
  readonly tagMoves: (readonly [key: string, digest: string])[];
  /** How many uploads are open. */
  readonly openUploads: () => number;
  behave(options: Partial<FakeRegistryOptions>): void;
  close(): Promise<void>;
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const PATH = /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/(.*)$/;

/**
 * Serves the distribution specification on loopback: blobs with uploads in chunks and mounts, manifests that may
 * name only what is there and may bring their tags along, tags in pages, referrers, and Basic or Bearer authorization.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
export async function startFakeRegistry(initial: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  let options: FakeRegistryOptions = { referrers: true, tagsByDigest: true, mayPush: true, ...initial };
  const log: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const blobs = new Map<string, Buffer>();
  // Which repository has which blob: `repository digest`.
  const links = new Set<string>();
  const manifests = new Map<string, Stored>();
  const tags = new Map<string, string>();
  const tagMoves: (readonly [string, string])[] = [];
  const uploads = new Map<string, Buffer>();
  const tokens = new Map<string, number>();
  let host = '';

  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  };
  const server: Server =
    options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  // Registries keep idle connections open; Node would close them after 5 s, which a slow machine takes for a fault.
  server.keepAliveTimeout = 0;

  const fail = (
    response: ServerResponse,
    status: number,
    code: string,
    message = code.toLowerCase(),
  ): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ code, message }] }));
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${host}`);
    log.push(`${request.method} ${url.pathname}`);
    authorizations.push(request.headers.authorization);
    if (url.pathname === '/token') return token(request, response);
    const writes = request.method !== 'GET' && request.method !== 'HEAD';
    if (!authorized(request, response, writes)) return;
    if (url.pathname === '/v2/') return void response.writeHead(200).end('{}');
    const [, repository = '', kind = '', rest = ''] = PATH.exec(url.pathname) ?? [];
    if (kind === 'blobs') return blob(request, response, url, repository, rest);
    if (kind === 'manifests') return manifest(request, response, url, repository, rest);
    if (kind === 'tags' && rest === 'list') return listTags(response, url, repository);
    if (kind === 'referrers' && options.referrers) return listReferrers(response, repository, rest);
    fail(response, 404, 'NOT_FOUND');
  }

  function authorized(request: IncomingMessage, response: ServerResponse, writes: boolean): boolean {
    const { auth } = options;
    if (auth === undefined) return true;
    const header = request.headers.authorization ?? '';
    if (auth.scheme === 'basic') {
      if (header === basic(auth)) {
        if (!writes || options.mayPush) return true;
        fail(response, 403, 'DENIED', 'this user may not push');
        return false;
      }
      response.setHeader('www-authenticate', 'Basic realm="fake"');
    } else {
      if ((tokens.get(header) ?? 0) > Date.now()) {
        if (!writes || options.mayPush) return true;
        fail(response, 403, 'DENIED', 'this token does not allow pushing');
        return false;
      }
      const scheme = options.tls === undefined ? 'http' : 'https';
      response.setHeader(
        'www-authenticate',
        `Bearer realm="${scheme}://${host}/token",service="fake",scope="repository:x:pull,push"`,
      );
    }
    fail(response, 401, 'UNAUTHORIZED', 'authentication required');
    return false;
  }

  async function token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { auth } = options;
    if (auth === undefined || request.headers.authorization !== basic(auth))
      return fail(response, 401, 'UNAUTHORIZED', 'bad credentials');
    const value = randomUUID();
    const seconds = options.tokenSeconds ?? 300;
    tokens.set(`Bearer ${value}`, Date.now() + seconds * 1000);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ token: value, expires_in: seconds }));
  }

  async function blob(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    repository: string,
    rest: string,
  ): Promise<void> {
    if (rest.startsWith('uploads/'))
      return upload(request, response, url, repository, rest.slice('uploads/'.length));
    const content = links.has(`${repository} ${rest}`) ? blobs.get(rest) : undefined;
    if (content === undefined) return fail(response, 404, 'BLOB_UNKNOWN');
    const sent = request.method === 'GET' ? (options.lie?.(url.pathname, content) ?? content) : content;
    response.writeHead(200, { 'content-length': sent.length, 'docker-content-digest': rest });
    response.end(request.method === 'HEAD' ? undefined : sent);
  }

  async function upload(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    repository: string,
    id: string,
  ): Promise<void> {
    const location = (session: string): string =>
      `/v2/${repository}/blobs/uploads/${session}?state=secret&offset=${uploads.get(session)?.length}`;
    const range = (session: string): string => `0-${Math.max(0, (uploads.get(session)?.length ?? 0) - 1)}`;
    if (request.method === 'POST') {
      const mount = url.searchParams.get('mount');
      if (mount !== null && links.has(`${url.searchParams.get('from')} ${mount}`)) {
        links.add(`${repository} ${mount}`);
        return void response.writeHead(201, { location: `/v2/${repository}/blobs/${mount}` }).end();
      }
      const session = randomUUID();
      uploads.set(session, Buffer.alloc(0));
      return void response.writeHead(202, { location: location(session), range: '0-0' }).end();
    }
    const kept = uploads.get(id);
    if (kept === undefined) return fail(response, 404, 'BLOB_UPLOAD_UNKNOWN');
    const { uploadUrls = 'lasting' } = options;
    if (uploadUrls !== 'lasting' && Number(url.searchParams.get('offset')) !== kept.length) {
      if (uploadUrls === 'at-offset-only') return fail(response, 404, 'BLOB_UPLOAD_INVALID');
      if (request.method !== 'GET') return fail(response, 416, 'RANGE_INVALID');
    }
    if (request.method === 'GET')
      return void response.writeHead(204, { location: location(id), range: range(id) }).end();
    if (request.method === 'DELETE') {
      uploads.delete(id);
      return void response.writeHead(204).end();
    }
    const begin = /^(\d+)-/.exec(request.headers['content-range'] ?? '')?.[1];
    if (begin !== undefined && Number(begin) !== kept.length) {
      return void response.writeHead(416, { location: location(id), range: range(id) }).end();
    }
    // What arrives before a connection breaks is kept, as real registries keep it.
    request.on('data', (chunk) => {
      const before = uploads.get(id);
      if (before !== undefined) uploads.set(id, Buffer.concat([before, chunk]));
    });
    await new Promise<void>((resolve) =>
      request
        .once('end', resolve)
        .once('close', resolve)
        .once('error', () => resolve()),
    );
    if (!request.complete) return;
    if (request.method === 'PATCH')
      return void response.writeHead(202, { location: location(id), range: range(id) }).end();
    const digest = url.searchParams.get('digest') ?? '';
    const content = uploads.get(id) ?? Buffer.alloc(0);
    if (digestOf(content) !== digest)
      return fail(response, 400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
    uploads.delete(id);
    blobs.set(digest, content);
    links.add(`${repository} ${digest}`);
    response
      .writeHead(201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest })
      .end();
  }

  async function manifest(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    repository: string,
    reference: string,
  ): Promise<void> {
    if (request.method === 'PUT') return putManifest(request, response, url, repository, reference);
    const digest = reference.includes(':') ? reference : tags.get(`${repository}:${reference}`);
    const stored = manifests.get(`${repository}@${digest}`);
    if (digest === undefined || stored === undefined) return fail(response, 404, 'MANIFEST_UNKNOWN');
    const sent =
      request.method === 'GET'
        ? (options.lie?.(`/v2/${repository}/manifests/${reference}`, stored.bytes) ?? stored.bytes)
        : stored.bytes;
    response.writeHead(200, {
      'content-type': stored.mediaType,
      'content-length': sent.length,
      'docker-content-digest': digest,
    });
    response.end(request.method === 'HEAD' ? undefined : sent);
  }

  async function putManifest(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    repository: string,
    reference: string,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const digest = digestOf(bytes);
    if (reference.includes(':') && reference !== digest) return fail(response, 400, 'DIGEST_INVALID');
    const content = JSON.parse(bytes.toString('utf8'));
    const needed: readonly string[] = [content.config, ...(content.layers ?? [])].flatMap((each) =>
      each ? [each.digest] : [],
    );
    const missing = needed.find((each) => !links.has(`${repository} ${each}`));
    if (missing !== undefined) return fail(response, 404, 'MANIFEST_BLOB_UNKNOWN', `blob ${missing} unknown`);
    for (const child of content.manifests ?? []) {
      if (!manifests.has(`${repository}@${child.digest}`))
        return fail(response, 404, 'MANIFEST_BLOB_UNKNOWN', `manifest ${child.digest} unknown`);
    }
    manifests.set(`${repository}@${digest}`, { bytes, mediaType: request.headers['content-type'] ?? '' });
    const asked = options.tagsByDigest ? url.searchParams.getAll('tag') : [];
    const made = reference.includes(':') ? asked : [reference];
    for (const tag of made) {
      tags.set(`${repository}:${tag}`, digest);
      tagMoves.push([`${repository}:${tag}`, digest]);
    }
    const named = reference.includes(':') && made.length > 0 ? { 'oci-tag': made.join(', ') } : {};
    const subject = options.referrers && content.subject ? { 'oci-subject': content.subject.digest } : {};
    response
      .writeHead(201, {
        location: `/v2/${repository}/manifests/${digest}`,
        'docker-content-digest': digest,
        ...named,
        ...subject,
      })
      .end();
  }

  async function listTags(response: ServerResponse, url: URL, repository: string): Promise<void> {
    const all = [...tags.keys()]
      .filter((key) => key.startsWith(`${repository}:`))
      .map((key) => key.slice(repository.length + 1))
      .sort();
    if (all.length === 0 && ![...manifests.keys()].some((key) => key.startsWith(`${repository}@`)))
      return fail(response, 404, 'NAME_UNKNOWN');
    const most = Math.min(Number(url.searchParams.get('n') ?? 100), 100);
    const last = url.searchParams.get('last');
    const rest = last === null ? all : all.filter((tag) => tag > last);
    const page = rest.slice(0, most);
    if (rest.length > most)
      response.setHeader('link', `</v2/${repository}/tags/list?n=${most}&last=${page.at(-1)}>; rel="next"`);
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ name: repository, tags: page }));
  }

  function listReferrers(response: ServerResponse, repository: string, digest: string): void {
    const found = [...manifests].flatMap(([key, { bytes, mediaType }]) => {
      const content = JSON.parse(bytes.toString('utf8'));
      if (!key.startsWith(`${repository}@`) || content.subject?.digest !== digest) return [];
      const artifactType = content.artifactType ?? content.config?.mediaType;
      return [{ mediaType, digest: digestOf(bytes), size: bytes.length, artifactType }];
    });
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    response
      .writeHead(200, { 'content-type': mediaType })
      .end(JSON.stringify({ schemaVersion: 2, mediaType, manifests: found }));
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    log,
    authorizations,
    blobs,
    seed: (repository, content) => {
      blobs.set(digestOf(content), content);
      links.add(`${repository} ${digestOf(content)}`);
    },
    manifests,
    tags,
    tagMoves,
    openUploads: () => uploads.size,
    behave: (change) => {
      options = { ...options, ...change };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
