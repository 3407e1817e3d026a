import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { giveToken, refuse } from './authorization.ts';
import type { FakeRegistryOptions, QuirkHooks } from './behavior.ts';
import { listReferrers, listTags, putManifest, readBlob, readManifest } from './content.ts';
import { fail, type Reply, reply, type Seen, seenOf, sendReply } from './exchange.ts';
import { emptyState, type RegistryState, type StoredManifest, sha256 } from './state.ts';
import { upload } from './uploads.ts';

/** An in-memory registry, and the requests that it received. */
export interface FakeRegistry {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  /** Every request as `METHOD /path`, without the query. */
  readonly log: string[];
  /** Every request as `METHOD target`, with the target byte for byte. */
  readonly targets: string[];
  /** The `Authorization` header of every request, in order; `undefined` for none. */
  readonly authorizations: (string | undefined)[];
  /** The content of blobs in all repositories, by digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  /** Puts a blob into a repository. */
  seed(repository: string, content: Buffer): void;
  /** Manifests by `repository@digest`. */
  readonly manifests: Map<string, StoredManifest>;
  /** Digests by `repository:tag`. */
  readonly tags: Map<string, string>;
  /** Every creation or move of a tag by a request: `repository:tag` and the new digest. */
  readonly tagMoves: (readonly [key: string, digest: string])[];
  /** The number of open uploads. */
  readonly openUploads: () => number;
  behave(options: Partial<FakeRegistryOptions>): void;
  close(): Promise<void>;
}

/**
 * Serves the distribution specification on loopback: blobs with chunked uploads and mounts; manifests, which may only
 * reference existing content and may come with tags; tags in pages; referrers; and Basic or Bearer authorization, with
 * tokens for the requested scopes. On demand, it simulates registries that behave differently.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
export async function startFakeRegistry(initial: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  let options: FakeRegistryOptions = { referrers: true, tagsByDigest: true, mayPush: true };
  let hooks: readonly QuirkHooks[] = [];
  const behave = (change: Partial<FakeRegistryOptions>): void => {
    options = { ...options, ...change };
    if (change.quirks === undefined) return;
    for (const { options: own } of change.quirks) options = { ...options, ...own };
    hooks = change.quirks.map(({ start }) => start());
  };
  behave(initial);
  const log: string[] = [];
  const targets: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const state = emptyState();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = seenOf(request, state.host);
    log.push(`${seen.method} ${seen.url.pathname}`);
    targets.push(`${seen.method} ${seen.target}`);
    authorizations.push(request.headers.authorization);
    const current = hooks;
    let answer: Reply | undefined;
    for (const { before } of current) answer ??= before?.(seen, state);
    if (answer === undefined) answer = await answerTo(seen, options, state);
    // The unread rest of the request must not be taken for the start of the next one.
    else request.resume();
    if (answer === undefined) return;
    for (const { after } of current) answer = after?.(seen, answer, state) ?? answer;
    sendReply(seen, response, answer);
  }

  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  };
  const server: Server =
    options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  // Registries keep idle connections open; Node would close them after 5 s, which looks like a fault on a slow machine.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  state.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { blobs, links, manifests, tags, tagMoves, uploads } = state;
  return {
    host: state.host,
    log,
    targets,
    authorizations,
    blobs,
    seed: (repository, content) => {
      blobs.set(sha256(content), content);
      links.add(`${repository} ${sha256(content)}`);
    },
    manifests,
    tags,
    tagMoves,
    openUploads: () => uploads.size,
    behave,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Undefined if there is nobody left to answer. */
async function answerTo(
  seen: Seen,
  options: FakeRegistryOptions,
  state: RegistryState,
): Promise<Reply | undefined> {
  if (seen.isToken) return giveToken(seen, options, state);
  const refused = refuse(seen, options, state);
  if (refused !== undefined) {
    seen.request.resume();
    return refused;
  }
  const { method, kind, rest } = seen;
  if (seen.url.pathname === '/v2/') return reply(200, {}, '{}');
  if (kind === 'blobs')
    return rest.startsWith('uploads/') ? upload(seen, options, state) : readBlob(seen, options, state);
  if (kind === 'manifests')
    return method === 'PUT' ? putManifest(seen, options, state) : readManifest(seen, options, state);
  if (kind === 'tags' && rest === 'list') return listTags(seen, state);
  if (kind === 'referrers' && options.referrers) return listReferrers(seen, state);
  return fail(404, 'NOT_FOUND');
}
