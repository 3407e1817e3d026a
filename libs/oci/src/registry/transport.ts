import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import { OciError, type OciErrorCode } from '../errors.ts';
import { apiHost, isLoopback } from '../reference.ts';
import {
  decideRetry,
  isTransientError,
  isTransientStatus,
  type RetryClock,
  type RetryLimits,
  retryAfterMs,
} from './retry.ts';

/** How registries are reached. */
export interface TransportOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** PEM of an additional certificate authority. */
  readonly ca?: string | undefined;
  /** Allows plain HTTP to hosts that are not loopback. */
  readonly plainHttp: boolean;
  readonly limits: RetryLimits;
  readonly clock: RetryClock;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which a connection counts as stalled. */
  readonly idleMs: number;
  /** Called before every wait, with the reason of the failure. */
  readonly onRetry?: ((message: string) => void) | undefined;
}

/** A response whose body has not been read; whoever gets it reads or destroys it. */
export interface OpenResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
  /** Where the response came from, after redirects. */
  readonly url: URL;
}

/**
 * A request; `body` makes the body anew for each try. Of a body in chunks, each has been sent once the next one is asked
 * for: its memory may then be used anew.
 */
export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: (() => AsyncIterable<Uint8Array> | Uint8Array | string) | undefined;
}

/** Sends requests, one try each, and runs work with the tries that its limits allow. */
export interface Transport {
  /** The base of a registry's API: HTTPS, or HTTP to loopback or where it was asked for. */
  baseUrl(registry: string): URL;
  /** Throws `REGISTRY_REFUSED` where a URL that a registry names is not one that may be asked. */
  checkUrl(url: URL, operation: string): void;
  send(operation: string, wanted: RegistryRequest, authorization: string | undefined): Promise<OpenResponse>;
  /** Runs one operation again for transient failures, and for nothing else. */
  attempt<T>(operation: string, work: () => Promise<T>): Promise<T>;
  /** How many tries beyond the first have been made. */
  readonly retries: number;
  close(): Promise<void>;
}

/** A failure that another try may mend; never leaves the library. */
export class TransientFailure extends Error {
  readonly askedMs: number | undefined;

  constructor(
    message: string,
    options: { readonly askedMs?: number | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.askedMs = options.askedMs;
  }
}

const CONNECT_MS = 10_000;
const MOST_REDIRECTS = 5;
const MOST_ERROR_BYTES = 64 * 1024;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** The URL without user, query and fragment, which may hold secrets. */
export function redactUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** Makes the transport that all registries of a run share. */
export function createTransport(options: TransportOptions): Transport {
  const { environment } = options;
  // Node's own client: it is loaded with Node, where a client that brings its own parser takes a tenth of a publish.
  const shared = {
    keepAlive: true,
    proxyEnv: {
      http_proxy: environment.http_proxy || environment.HTTP_PROXY || '',
      https_proxy: environment.https_proxy || environment.HTTPS_PROXY || '',
      no_proxy: environment.no_proxy || environment.NO_PROXY || '',
    },
  };
  const plain = new HttpAgent(shared);
  let secure: Promise<{ readonly agent: HttpsAgent; readonly request: typeof request }> | undefined;
  let retries = 0;

  async function loadSecure(): Promise<{ readonly agent: HttpsAgent; readonly request: typeof request }> {
    const [https, { getCACertificates }] = await Promise.all([import('node:https'), import('node:tls')]);
    const ca = options.ca === undefined ? {} : { ca: [options.ca, ...getCACertificates('default')] };
    return { agent: new https.Agent({ ...shared, ...ca }), request: https.request };
  }

  async function begin(wanted: RegistryRequest, headers: Record<string, string>): Promise<ClientRequest> {
    const { url, method } = wanted;
    const { signal, idleMs } = options;
    const given = { method, headers, signal, strictContentLength: true };
    if (url.protocol === 'http:') return timed(request(url, { ...given, agent: plain }), idleMs);
    secure ??= loadSecure();
    const { agent, request: requestSecurely } = await secure;
    return timed(requestSecurely(url, { ...given, agent }), idleMs);
  }

  function baseUrl(registry: string): URL {
    const host = apiHost(registry);
    const scheme = options.plainHttp || (isLoopback(host) && options.ca === undefined) ? 'http' : 'https';
    return new URL(`${scheme}://${host}/v2/`);
  }

  function checkUrl(url: URL, operation: string): void {
    const allowed =
      url.protocol === 'https:' || (url.protocol === 'http:' && (options.plainHttp || isLoopback(url.host)));
    if (allowed && url.username === '' && url.password === '') return;
    throw new OciError(
      'REGISTRY_REFUSED',
      `${operation}: the registry names ${redactUrl(url)}, expected an https URL`,
      {
        hint: 'Plain HTTP is used for loopback only, or with --plain-http.',
      },
    );
  }

  async function send(
    operation: string,
    wanted: RegistryRequest,
    authorization: string | undefined,
  ): Promise<OpenResponse> {
    let { url } = wanted;
    let sent = authorization;
    for (let redirects = 0; ; redirects += 1) {
      const response = await sendOnce(operation, { ...wanted, url }, sent);
      const location = response.headers.location;
      const follows = REDIRECTS.has(response.status) && (wanted.method === 'GET' || wanted.method === 'HEAD');
      if (!follows || location === undefined) return response;
      await discard(response);
      const next = new URL(location, url);
      checkUrl(next, operation);
      if (redirects === MOST_REDIRECTS) {
        throw new OciError(
          'REGISTRY_RESPONSE',
          `${operation}: more than ${MOST_REDIRECTS} redirects from ${redactUrl(wanted.url)}`,
        );
      }
      if (next.origin !== url.origin) sent = undefined;
      url = next;
    }
  }

  async function sendOnce(
    operation: string,
    wanted: RegistryRequest,
    authorization: string | undefined,
  ): Promise<OpenResponse> {
    const headers: Record<string, string> = { 'user-agent': 'prebuilt-nx', ...wanted.headers };
    if (authorization !== undefined) headers.authorization = authorization;
    try {
      const response = await exchange(await begin(wanted, headers), wanted.body?.());
      // Nothing follows, and the connection is free once that has been read.
      if (wanted.method === 'HEAD' || response.statusCode === 204) response.resume();
      const flat = Object.entries(response.headers).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as const],
      );
      return {
        status: response.statusCode ?? 0,
        headers: Object.fromEntries(flat),
        body: response,
        url: wanted.url,
      };
    } catch (error) {
      options.signal.throwIfAborted();
      throw connectionFailure(operation, wanted.url, error);
    }
  }

  async function attempt<T>(operation: string, work: () => Promise<T>): Promise<T> {
    const startedAt = options.clock.now();
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        options.signal.throwIfAborted();
        const failure = error instanceof TransientFailure ? error : undefined;
        if (failure === undefined) throw error;
        const decision = decideRetry(
          { tries, startedAt, askedMs: failure.askedMs },
          options.limits,
          options.clock,
        );
        if (decision.next === 'give-up') {
          throw new OciError('REGISTRY_UNAVAILABLE', `${failure.message} (${decision.because})`, {
            hint: 'Nothing is half done: run it again once the registry answers.',
            cause: failure.cause,
          });
        }
        retries += 1;
        options.onRetry?.(
          `${failure.message}; trying again in ${(decision.delayMs / 1000).toFixed(1)} s (${operation})`,
        );
        await options.clock.sleep(decision.delayMs);
      }
    }
  }

  return {
    baseUrl,
    checkUrl,
    send,
    attempt,
    get retries() {
      return retries;
    },
    async close() {
      plain.destroy();
      (await secure?.catch(() => undefined))?.agent.destroy();
    },
  };
}

function timed(sent: ClientRequest, idleMs: number): ClientRequest {
  const fail = (what: string): void => {
    sent.destroy(Object.assign(new Error(what), { code: 'ETIMEDOUT' }));
  };
  sent.setTimeout(idleMs, () => fail(`no byte for ${idleMs} ms`));
  sent.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => fail(`no connection within ${CONNECT_MS} ms`), CONNECT_MS);
    socket.once('connect', () => clearTimeout(timer));
    sent.once('close', () => clearTimeout(timer));
  });
  return sent;
}

/** Sends a request's body and waits for the head of the answer, which may come before all is sent. */
function exchange(
  sent: ClientRequest,
  body: AsyncIterable<Uint8Array> | Uint8Array | string | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let answered = false;
    // It stays: a connection may also fail after the answer has come.
    sent.on('error', reject);
    sent.once('response', (response) => {
      answered = true;
      // What is left of a body is not wanted any more, and the connection is of no use without it.
      if (!sent.writableEnded) response.once('close', () => sent.destroy());
      resolve(response);
    });
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) sent.end(body);
    else
      sendChunks(sent, body, () => answered).catch((error) => {
        if (!answered) sent.destroy(error);
      });
  });
}

async function sendChunks(
  sent: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  isAnswered: () => boolean,
): Promise<void> {
  // A request that is broken off does not tell of what it had not written yet.
  const closed = new Promise<never>((_, reject) => sent.once('close', () => reject(new Error('closed'))));
  closed.catch(() => {});
  let missing = Number(sent.getHeader('content-length'));
  for await (const chunk of body) {
    if (isAnswered()) return;
    const written = new Promise<void>((resolve, reject) => {
      sent.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
    missing -= chunk.length;
    // Before the answer can come, so that the connection is seen to be of further use.
    if (missing === 0) sent.end();
    await Promise.race([written, closed]);
  }
  if (missing !== 0 && !isAnswered()) sent.end();
}

/** The transient failure behind an error of the connection or of a body; other errors are given back. */
export function connectionFailure(operation: string, url: URL, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof OciError || error instanceof TransientFailure)
    return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const message = `${operation}: ${redactUrl(url)}: ${error.message || code} (${code})`;
  if (isTransientError(error)) return new TransientFailure(message, { cause: error });
  const hint = /CERT|SIGNATURE|ISSUER/.test(code)
    ? 'A registry with a certificate authority of its own needs --ca-file.'
    : undefined;
  return new OciError('REGISTRY_UNAVAILABLE', message, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Reads a whole body of at most `limit` bytes. Throws `REGISTRY_RESPONSE` for a longer one. */
export async function readBounded(operation: string, response: OpenResponse, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > limit) {
        throw new OciError(
          'REGISTRY_RESPONSE',
          `${operation}: ${redactUrl(response.url)}: expected a body of at most ${limit} bytes, found more`,
        );
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw connectionFailure(operation, response.url, error);
  } finally {
    response.body.destroy();
  }
  return Buffer.concat(chunks, size);
}

/** Ends a response whose body is of no interest. The connection is kept where little of it is to come. */
export async function discard(response: OpenResponse): Promise<void> {
  response.body.on('error', () => {});
  const little = Number(response.headers['content-length'] ?? Number.NaN) <= MOST_ERROR_BYTES;
  if (little || response.body.readableFlowing) response.body.resume();
  else response.body.destroy();
}

const STATUS_CODES: Readonly<Record<number, OciErrorCode>> = {
  401: 'REGISTRY_UNAUTHORIZED',
  403: 'REGISTRY_UNAUTHORIZED',
  404: 'REGISTRY_NOT_FOUND',
};

/** The error for a status that was not expected: a transient one may be tried again. Reads the body. */
export async function statusFailure(operation: string, response: OpenResponse, now: number): Promise<Error> {
  const said = await readBounded(operation, response, MOST_ERROR_BYTES).then(registryMessage, () => '');
  const message = `${operation}: ${redactUrl(response.url)}: status ${response.status}${said === '' ? '' : `: ${said}`}`;
  if (isTransientStatus(response.status)) {
    return new TransientFailure(message, { askedMs: retryAfterMs(response.headers['retry-after'], now) });
  }
  const code = STATUS_CODES[response.status] ?? 'REGISTRY_REFUSED';
  const hint =
    code === 'REGISTRY_UNAUTHORIZED'
      ? 'Log in with docker login, or set REGISTRY_USERNAME and REGISTRY_PASSWORD; the user needs the right to push.'
      : undefined;
  return new OciError(code, message, hint === undefined ? {} : { hint });
}

// https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
function registryMessage(body: Buffer): string {
  try {
    const { errors }: { errors?: readonly { code?: unknown; message?: unknown }[] } = JSON.parse(
      body.toString('utf8'),
    );
    const said = (errors ?? []).map(({ code, message }) =>
      [code, message].filter((part) => typeof part === 'string' && part !== '').join(': '),
    );
    return said.join('; ').slice(0, 500);
  } catch {
    return '';
  }
}
