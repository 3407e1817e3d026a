import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ClientRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { version } from '../../version.ts';
import { KubeError } from './errors.ts';

/** The verbs that the watchdog uses, in Kubernetes terms. */
export type KubeVerb = 'get' | 'create' | 'patch' | 'delete';

/** One request. The path is a list of segments, so that no value can add or remove one. */
export interface KubeRequest {
  readonly verb: KubeVerb;
  readonly path: readonly string[];
  readonly body?: object;
  /** From the start of the request to the end of its answer; defaults to the maximum of 15 s. */
  readonly deadlineMs?: number;
  /** Called right before the request is sent; false withdraws it, with code `withheld`. */
  readonly confirm?: () => boolean;
  readonly signal?: AbortSignal;
}

/** The answer, with any status. */
export interface KubeReply {
  readonly status: number;
  /** The parsed body; undefined if there was none, or if the status is not a success and it is not JSON. */
  readonly body: unknown;
  /** The wait that `Retry-After` requests, in ms. */
  readonly retryAfterMs: number | undefined;
}

/** Sends one request; throws {@link KubeError} if there is no answer. */
export type KubeTransport = (request: KubeRequest) => Promise<KubeReply>;

/** The API server's address, and the folder with `token` and `ca.crt`. */
export interface KubeEndpoint {
  /** A host name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly serviceAccountDir: string;
}

const connectTimeoutMs = 5000;
const longestDeadlineMs = 15_000;
/** An object in etcd is at most 1.5 MiB, and the watchdog reads nothing larger. */
const maxBodyBytes = 2 * 1024 * 1024;

const methods = { get: 'GET', create: 'POST', patch: 'PATCH', delete: 'DELETE' } as const;

/**
 * Creates the transport to the cluster's API server: it trusts only the cluster's CA, reads the token for each request
 * (because it rotates), does not follow redirects, and closes the connection after each request.
 */
export function createKubeTransport(endpoint: KubeEndpoint): KubeTransport {
  return async (request) => {
    const path = requestPath(request);
    const deadline = performance.now() + deadlineOf(request);
    const [token, ca] = await Promise.all([
      readCredential(endpoint.serviceAccountDir, 'token'),
      readCredential(endpoint.serviceAccountDir, 'ca.crt'),
    ]);
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw new KubeError(
        'credentials',
        `${endpoint.serviceAccountDir}/token: empty, or not one line of text`,
      );
    }
    checkAuthority(ca, `${endpoint.serviceAccountDir}/ca.crt`);
    if (request.signal?.aborted === true) throw aborted(request);
    if (request.confirm?.() === false) {
      throw new KubeError('withheld', `${describe(request)}: withdrawn before it was sent`);
    }
    return send(endpoint, request, {
      path,
      token,
      ca,
      deadlineMs: Math.max(1, deadline - performance.now()),
    });
  };
}

interface Prepared {
  readonly path: string;
  readonly token: string;
  readonly ca: string;
  readonly deadlineMs: number;
}

function send(
  endpoint: KubeEndpoint,
  request: KubeRequest,
  { path, token, ca, deadlineMs }: Prepared,
): Promise<KubeReply> {
  return new Promise((resolve, reject) => {
    const authority = authorityOf(endpoint);
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const outgoing = open(endpoint, request, { path, token, ca }, body);

    let connected = false;
    const finish = (settle: () => void): void => {
      clearTimeout(deadlineTimer);
      clearTimeout(connectTimer);
      request.signal?.removeEventListener('abort', onAbort);
      settle();
      outgoing.destroy();
    };
    const fail = (error: KubeError): void => finish(() => reject(error));
    const onAbort = (): void => fail(aborted(request));
    const deadlineTimer = setTimeout(() => {
      const ms = deadlineOf(request);
      fail(
        new KubeError('timeout', `${describe(request)}: no complete answer from ${authority} in ${ms} ms`),
      );
    }, deadlineMs);
    const connectTimer = setTimeout(
      () => {
        if (connected) return;
        fail(new KubeError('connect', `${describe(request)}: no TLS connection to ${authority} in 5 s`));
      },
      Math.min(connectTimeoutMs, deadlineMs),
    );
    request.signal?.addEventListener('abort', onAbort, { once: true });

    outgoing.on('socket', (socket) => {
      socket.once('secureConnect', () => {
        connected = true;
      });
    });
    outgoing.on('error', (cause: NodeJS.ErrnoException) => {
      const code = connected ? 'closed' : 'connect';
      fail(
        new KubeError(
          code,
          `${describe(request)}: ${authority}: ${cause.message || cause.code || 'failed'}`,
          {
            cause,
          },
        ),
      );
    });
    outgoing.on('response', (response) => {
      connected = true;
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxBodyBytes) {
          fail(
            new KubeError('body', `${describe(request)}: the answer is larger than ${maxBodyBytes} bytes`),
          );
        }
      });
      const broken = (): void => {
        fail(new KubeError('closed', `${describe(request)}: ${authority} closed the connection mid-answer`));
      };
      response.on('error', broken);
      response.on('aborted', broken);
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const parsed = parseBody(Buffer.concat(chunks, size));
        if (parsed === notJson && status >= 200 && status < 300) {
          fail(new KubeError('body', `${describe(request)}: status ${status}, but the answer is not JSON`));
          return;
        }
        const retryAfterMs = parseRetryAfter(response.headers['retry-after'], Date.now());
        finish(() => resolve({ status, body: parsed === notJson ? undefined : parsed, retryAfterMs }));
      });
    });
    outgoing.end(body);
  });
}

function authorityOf({ host, port }: KubeEndpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Opens the request without sending its body. Fails if the TLS library rejects the CA. */
function open(
  endpoint: KubeEndpoint,
  request: KubeRequest,
  { path, token, ca }: Omit<Prepared, 'deadlineMs'>,
  body: Buffer | undefined,
): ClientRequest {
  const authority = authorityOf(endpoint);
  try {
    return httpsRequest(`https://${authority}${path}`, {
      method: methods[request.verb],
      agent: false,
      ca,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      headers: {
        Host: authority,
        Authorization: `Bearer ${token}`,
        Accept: 'application/json',
        'User-Agent': `mount-monitor/${version}`,
        Connection: 'close',
        ...(body === undefined
          ? {}
          : {
              'Content-Type': request.verb === 'patch' ? 'application/merge-patch+json' : 'application/json',
              'Content-Length': body.length,
            }),
      },
    });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new KubeError('credentials', `${endpoint.serviceAccountDir}/ca.crt: cannot be used (${detail})`, {
      cause,
    });
  }
}

async function readCredential(folder: string, file: string): Promise<string> {
  const path = `${folder}/${file}`;
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    const detail = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new KubeError('credentials', `${path}: cannot be read (${detail})`, {
      hint: 'the pod needs a service account with automountServiceAccountToken: true',
      cause,
    });
  }
}

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Checks that there is an authority to trust. The TLS library treats an empty text as if none were given and then
 * trusts the system's authorities, so anyone with a certificate from one of them would receive the token.
 */
function checkAuthority(ca: string, path: string): void {
  const hint = 'the API server is verified only against this file; it should contain kube-root-ca.crt';
  const blocks = ca.match(certificate) ?? [];
  if (blocks.length === 0) throw new KubeError('credentials', `${path}: contains no certificate`, { hint });
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch (cause) {
    throw new KubeError(
      'credentials',
      `${path}: cannot be used (${cause instanceof Error ? cause.message : cause})`,
      { hint, cause },
    );
  }
}

/**
 * The request's path. Throws with code `path` for an empty segment, which would mean a whole collection, for `..`, and
 * for anything else that cannot be an object's name.
 */
export function requestPath({ path }: KubeRequest): string {
  for (const segment of path) {
    if (!/^[A-Za-z0-9][-._A-Za-z0-9]*$/.test(segment)) {
      throw new KubeError(
        'path',
        `refused to send a request with the path segment ${JSON.stringify(segment)}`,
      );
    }
  }
  return `/${path.join('/')}`;
}

function deadlineOf({ deadlineMs }: KubeRequest): number {
  return Math.min(deadlineMs ?? longestDeadlineMs, longestDeadlineMs);
}

/** The request's verb and path, for messages. */
export function describe({ verb, path }: KubeRequest): string {
  return `${verb} /${path.join('/')}`;
}

function aborted(request: KubeRequest): KubeError {
  return new KubeError('aborted', `${describe(request)}: ended because the watchdog is closing`);
}

const notJson = Symbol('not JSON');

function parseBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return notJson;
  }
}

/** Parses seconds or a date (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after) into ms from now. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  // Date.parse alone would read "-5" as a year.
  const date = /^[A-Z][a-z]+,? /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
