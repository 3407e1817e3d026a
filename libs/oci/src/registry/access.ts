import { createAuthorizedSender } from './authorization.ts';
import type { CredentialSource } from './credentials/index.ts';
import { createPresence, type Presence } from './presence.ts';
import type { RetryClock } from './retry.ts';
import { joinScopes, parseScopes, type Scopes } from './scopes.ts';
import {
  type Address,
  addressOf,
  type OpenResponse,
  type Operation,
  type RegistryRequest,
  statusFailure,
  type Transport,
} from './transport/index.ts';

/** What the parts of a repository client (blobs, manifests, tags, …) share. */
export interface RepositoryAccess {
  readonly transport: Transport;
  readonly presence: Presence;
  /** The base URL of everything in the repository. */
  readonly base: URL;
  at(path: string): Address;
  /** The name of an operation in messages: `registry/repository: what`. */
  label(what: string): string;
  /** Sends one request with the rights for this repository, and those in `more`. */
  send(operation: Operation, wanted: RegistryRequest, more?: Scopes): Promise<OpenResponse>;
  /** Throws the failure for any status other than these. */
  expectStatus(
    operation: Operation,
    response: OpenResponse,
    statuses: readonly number[],
  ): Promise<OpenResponse>;
  /** The failure that a response stands for. */
  failure(operation: Operation, response: OpenResponse): ReturnType<typeof statusFailure>;
  /** Sends one request, retried on transient failures; `read` is part of each try. */
  ask<T>(
    what: string,
    wanted: RegistryRequest,
    statuses: readonly number[],
    read: (response: OpenResponse, operation: Operation) => Promise<T>,
  ): Promise<T>;
}

/** Which repository to access, with which credentials and rights. */
export interface AccessOptions {
  readonly registry: string;
  readonly repository: string;
  readonly transport: Transport;
  readonly credentials: CredentialSource;
  readonly clock: RetryClock;
  /** The rights to request tokens for: reading a base image needs only the right to pull. */
  readonly rights?: 'pull' | 'push';
}

/** Prepares access to a repository; sends nothing yet. Tokens are requested when the registry first asks for one. */
export function openAccess(options: AccessOptions): RepositoryAccess {
  const { registry, repository, transport, clock, rights = 'push' } = options;
  const sender = createAuthorizedSender(options, transport, options.credentials, clock);
  const base = new URL(`${repository}/`, transport.baseUrl(registry));
  const own = parseScopes(`repository:${repository}:${rights === 'push' ? 'pull,push' : 'pull'}`);

  const label = (what: string): string => `${registry}/${repository}: ${what}`;
  const failure = (operation: Operation, response: OpenResponse) =>
    statusFailure(operation, response, clock.now());

  async function expectStatus(
    operation: Operation,
    response: OpenResponse,
    statuses: readonly number[],
  ): Promise<OpenResponse> {
    if (statuses.includes(response.status)) return response;
    throw await failure(operation, response);
  }

  function send(operation: Operation, wanted: RegistryRequest, more?: Scopes): Promise<OpenResponse> {
    return sender.send(operation, more === undefined ? own : joinScopes(own, more), wanted);
  }

  return {
    transport,
    presence: createPresence(),
    base,
    at: (path) => addressOf(new URL(path, base)),
    label,
    send,
    expectStatus,
    failure,
    ask: (what, wanted, statuses, read) =>
      transport.attempt(label(what), async (operation) =>
        read(await expectStatus(operation, await send(operation, wanted), statuses), operation),
      ),
  };
}
