import { OciError } from '../errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { CredentialSource, Credentials } from './credentials/index.ts';
import type { RetryClock } from './retry.ts';
import { covers, formatScopes, joinScopes, parseScopes, type Scopes } from './scopes.ts';
import { readToken, tokenRequest } from './tokens.ts';
import {
  addressOf,
  discard,
  type OpenResponse,
  type Operation,
  type RegistryRequest,
  readBounded,
  statusFailure,
  type Transport,
} from './transport/index.ts';

const MAX_TOKEN_BYTES = 1024 * 1024;
const RENEW_BEFORE_MS = 10_000;
// Once for the existing token, and once for what the registry requires beyond it.
const MAX_CHALLENGES = 2;
// A URL, or, as zot writes it, a path on the registry: https://github.com/project-zot/zot/issues/4033
const REALM = /^(?:[A-Za-z][A-Za-z0-9+.-]*:|\/)/;

interface Authorization {
  readonly header: string;
  /** Undefined for Basic, which covers everything. */
  readonly scopes: Scopes | undefined;
  readonly expiresAt: number;
}

/** Sends requests to one repository's registry with the authorization that it requires. */
export interface AuthorizedSender {
  /**
   * Sends a request that needs these scopes. If the registry asks for authorization, obtains it and sends the request
   * again. Authorization is sent only to the registry's own origin.
   */
  send(operation: Operation, scopes: Scopes, wanted: RegistryRequest): Promise<OpenResponse>;
}

/**
 * Authorization for one repository's registry: Bearer tokens from the realm it names, for the scopes we need and those
 * it asks for; Basic if nothing else it offers can be obtained. Known challenges are accepted in any order, others are
 * ignored. Tokens are kept until shortly before they expire.
 * https://distribution.github.io/distribution/spec/auth/token/
 */
export function createAuthorizedSender(
  { registry, repository }: { readonly registry: string; readonly repository: string },
  transport: Transport,
  credentialsOf: CredentialSource,
  clock: RetryClock,
): AuthorizedSender {
  let kept: readonly Authorization[] = [];
  const base = transport.baseUrl(registry);

  async function send(operation: Operation, scopes: Scopes, wanted: RegistryRequest): Promise<OpenResponse> {
    const own = wanted.address.url.origin === base.origin;
    let used = own ? find(scopes) : undefined;
    let response = await transport.send(operation, wanted, used?.header);
    for (let challenges = 0; own && challenges < MAX_CHALLENGES; challenges += 1) {
      if (response.status !== 401 || response.address.url.origin !== base.origin) return response;
      const refused = used;
      kept = kept.filter((each) => each !== refused);
      used = await obtain(operation, scopes, await challengesOf(operation, response), refused);
      if (used === undefined) return response;
      await discard(response);
      response = await transport.send(operation, wanted, used.header);
    }
    return response;
  }

  function find(scopes: Scopes): Authorization | undefined {
    return kept.find(
      (each) => each.expiresAt > clock.now() && (each.scopes === undefined || covers(each.scopes, scopes)),
    );
  }

  // Some reverse proxies omit the challenge from any response except to a GET of the API's base.
  async function challengesOf(operation: Operation, response: OpenResponse): Promise<readonly Challenge[]> {
    const given = parseChallenges(response.headers['www-authenticate']);
    if (given.length > 0) return given;
    const asked = await transport.send(operation, { method: 'GET', address: addressOf(base) }, undefined);
    await discard(asked);
    return asked.status === 401 ? parseChallenges(asked.headers['www-authenticate']) : [];
  }

  async function obtain(
    operation: Operation,
    scopes: Scopes,
    challenges: readonly Challenge[],
    refused: Authorization | undefined,
  ): Promise<Authorization | undefined> {
    const credentials = await credentialsOf(registry, repository);
    const bearer = challenges.find(
      ({ scheme, parameters }) => scheme === 'bearer' && parameters.get('realm'),
    );
    const basic = challenges.some(({ scheme }) => scheme === 'basic') && credentials?.kind === 'basic';
    const given =
      bearer === undefined
        ? undefined
        : await obtainToken(operation, scopes, bearer, credentials).catch((error) => {
            if (!basic || !(error instanceof OciError) || error.refusal === undefined) throw error;
            return undefined;
          });
    const found =
      given ??
      (basic
        ? { header: basicHeader(credentials), scopes: undefined, expiresAt: Number.POSITIVE_INFINITY }
        : undefined);
    // The same authorization would be refused again.
    if (found === undefined || found.header === refused?.header) return undefined;
    kept = [...kept, found];
    return found;
  }

  async function obtainToken(
    operation: Operation,
    scopes: Scopes,
    { parameters }: Challenge,
    credentials: Credentials | undefined,
  ): Promise<Authorization> {
    if (credentials?.kind === 'token')
      return {
        header: `Bearer ${credentials.token}`,
        scopes: undefined,
        expiresAt: Number.POSITIVE_INFINITY,
      };
    const asked = parseScopes(parameters.get('scope') ?? '');
    const both = joinScopes(scopes, asked);
    const first = await fetchToken(operation, both, parameters, credentials);
    if (!(first instanceof OciError)) return first;
    // Some servers reject scopes that they did not ask for themselves.
    const strict = first.refusal?.status === 400 || first.refusal?.status === 403;
    if (!strict || asked.size === 0 || covers(asked, both)) throw first;
    const second = await fetchToken(operation, asked, parameters, credentials);
    if (second instanceof OciError) throw first;
    return { ...second, scopes: joinScopes(scopes, asked) };
  }

  async function fetchToken(
    operation: Operation,
    scopes: Scopes,
    parameters: Challenge['parameters'],
    credentials: Credentials | undefined,
  ): Promise<Authorization | OciError> {
    const step: Operation = { ...operation, name: `${operation.name}: token for ${registry}` };
    const text = parameters.get('realm') ?? '';
    if (!REALM.test(text)) {
      throw new OciError(
        'REGISTRY_RESPONSE',
        `${step.name}: expected the URL of a token server as realm, found something else`,
      );
    }
    const realm = transport.follow(step, 'realm', text, base);
    const wanted = { service: parameters.get('service'), scopes: formatScopes(scopes) };
    const response = await transport.send(
      step,
      tokenRequest(realm, wanted, credentials),
      credentials?.kind === 'basic' ? basicHeader(credentials) : undefined,
    );
    if (response.status !== 200) {
      const failure = await statusFailure(step, response, clock.now());
      if (failure instanceof OciError) return failure;
      throw failure;
    }
    const body = await readBounded(step, response, MAX_TOKEN_BYTES);
    const { value, seconds } = readToken(step, response.address, body);
    return { header: `Bearer ${value}`, scopes, expiresAt: clock.now() + seconds * 1000 - RENEW_BEFORE_MS };
  }

  return { send };
}

function basicHeader({ username, password }: Extract<Credentials, { readonly kind: 'basic' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}
