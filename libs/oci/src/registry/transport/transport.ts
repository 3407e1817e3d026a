import { OciError } from '../../errors.ts';
import { apiHost, isLoopback } from '../../reference.ts';
import { decideRetry, type RetryClock, type RetryLimits } from '../retry.ts';
import { type Address, checkAddress, parseAddress, redactUrl } from './address.ts';
import { createAgents } from './agents.ts';
import { BodyFailure, exchange, type RequestBody } from './exchange.ts';
import { connectionFailure, TransientFailure } from './failures.ts';
import { beginOperation, type Operation, transferMs } from './operation.ts';
import { discard, type OpenResponse, openResponse } from './response.ts';

/** Options for connecting to registries. */
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
  /** Called before every wait, with the reason for the failure. */
  readonly onRetry?: ((message: string) => void) | undefined;
}

/** A request; `body` produces a new body for each attempt. */
export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly address: Address;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: (() => Exclude<RequestBody, undefined>) | undefined;
  /** Redirects are followed; with `own`, only to the origin of the request itself. */
  readonly redirects?: 'follow' | 'own';
}

/** The bytes that an operation transfers, which extend its time, and the response bytes that it may hold in memory. */
export interface OperationSize {
  readonly transfer?: number;
  readonly hold?: number;
}

/** Sends requests, one try each, and runs work with as many tries as its limits allow. */
export interface Transport {
  /** The base URL of a registry's API: HTTPS, or HTTP for loopback or on request. */
  baseUrl(registry: string): URL;
  /**
   * Parses an address that `from` gives in a header. Throws `REGISTRY_RESPONSE` for text that is not an address, and
   * `REGISTRY_REFUSED` for an address that it may not send us to.
   */
  follow(operation: Operation, what: string, text: string, from: URL): Address;
  send(
    operation: Operation,
    wanted: RegistryRequest,
    authorization: string | undefined,
  ): Promise<OpenResponse>;
  /** Begins an operation with a single try; the caller ends it. */
  begin(name: string, size?: OperationSize): Operation;
  /** Runs an operation, repeating it only on transient failures, within one budget of time and bytes. */
  attempt<T>(name: string, work: (operation: Operation) => Promise<T>, size?: OperationSize): Promise<T>;
  /** The number of retries so far. */
  readonly retries: number;
  close(): Promise<void>;
}

const MAX_REDIRECTS = 5;
const MAX_HELD_BYTES = 16 * 1024 * 1024;
// 303 asks for a GET, which does not apply to a request that writes.
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/** Creates the transport that all registries in a run share. */
export function createTransport(options: TransportOptions): Transport {
  const { limits, clock, signal } = options;
  const agents = createAgents(options.environment, options.ca);
  let retries = 0;

  function baseUrl(registry: string): URL {
    const host = apiHost(registry);
    const scheme = options.plainHttp || (isLoopback(host) && options.ca === undefined) ? 'http' : 'https';
    return new URL(`${scheme}://${host}/v2/`);
  }

  function follow(operation: Operation, what: string, text: string, from: URL): Address {
    const address = parseAddress(operation.name, what, text, from);
    checkAddress(operation.name, address, from, options.plainHttp);
    return address;
  }

  function begin(name: string, { transfer = 0, hold = MAX_HELD_BYTES }: OperationSize = {}): Operation {
    return beginOperation(name, { ms: limits.operationMs + transferMs(transfer), bytes: hold }, signal);
  }

  async function send(
    operation: Operation,
    wanted: RegistryRequest,
    authorization: string | undefined,
  ): Promise<OpenResponse> {
    const reads = wanted.method === 'GET' || wanted.method === 'HEAD';
    let { address } = wanted;
    let sent = authorization;
    for (let redirects = 0; ; redirects += 1) {
      const response = await sendOnce(operation, { ...wanted, address }, sent);
      const location = response.headers.location;
      const follows = REDIRECTS.has(response.status) || (response.status === 303 && reads);
      if (!follows || location === undefined) return response;
      const next = follow(operation, 'Location', location, address.url);
      if (next.url.origin !== address.url.origin) {
        if (wanted.redirects === 'own') return response;
        sent = undefined;
      }
      await discard(response);
      if (redirects === MAX_REDIRECTS) {
        throw new OciError(
          'REGISTRY_RESPONSE',
          `${operation.name}: more than ${MAX_REDIRECTS} redirects from ${redactUrl(wanted.address.url)}`,
        );
      }
      address = next;
    }
  }

  async function sendOnce(
    operation: Operation,
    { method, address, headers, body }: RegistryRequest,
    authorization: string | undefined,
  ): Promise<OpenResponse> {
    operation.signal.throwIfAborted();
    const given: Record<string, string> = {
      'user-agent': 'prebuilt-nx',
      'accept-encoding': 'identity',
      ...headers,
    };
    if (authorization !== undefined) given.authorization = authorization;
    const proxy = agents.proxyOf(address.url);
    const content = body?.();
    try {
      const request = await agents.begin(address, { method, headers: given });
      const message = await exchange(operation, request, content, options.idleMs);
      const hasBody = method !== 'HEAD' && message.statusCode !== 204 && message.statusCode !== 304;
      return openResponse(operation, message, address, hasBody);
    } catch (error) {
      if (error instanceof BodyFailure && !operation.signal.aborted) throw error.cause;
      throw connectionFailure(operation, address.url, error, proxy);
    }
  }

  async function attempt<T>(
    name: string,
    work: (operation: Operation) => Promise<T>,
    size: OperationSize = {},
  ): Promise<T> {
    const startedAt = clock.now();
    const operation = begin(name, size);
    try {
      for (let tries = 1; ; tries += 1) {
        try {
          return await work(operation);
        } catch (error) {
          operation.signal.throwIfAborted();
          if (!(error instanceof TransientFailure)) throw error;
          await waitAfter(name, error, { tries, startedAt });
          operation.signal.throwIfAborted();
        }
      }
    } finally {
      operation.end();
    }
  }

  async function waitAfter(
    name: string,
    failure: TransientFailure,
    state: { readonly tries: number; readonly startedAt: number },
  ): Promise<void> {
    const decision = decideRetry({ ...state, askedMs: failure.askedMs }, limits, clock);
    if (decision.next === 'give-up') {
      throw new OciError('REGISTRY_UNAVAILABLE', `${failure.message} (${decision.because})`, {
        hint: failure.hint ?? 'Run it again once the registry responds: finished work is kept.',
        cause: failure.cause,
      });
    }
    retries += 1;
    // Most messages start with the operation that is retried; some with part of it.
    const part = failure.message.startsWith(`${name}: `) ? '' : ` (${name})`;
    options.onRetry?.(`${failure.message}; retrying in ${(decision.delayMs / 1000).toFixed(1)} s${part}`);
    await clock.sleep(decision.delayMs);
  }

  return {
    baseUrl,
    follow,
    send,
    begin,
    attempt,
    get retries() {
      return retries;
    },
    close: () => agents.close(),
  };
}
