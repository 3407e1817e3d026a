import { OciError } from '../errors.ts';
import { type Challenge, parseChallenge } from './challenge.ts';
import type { CredentialSource, Credentials } from './credentials.ts';
import type { RetryClock } from './retry.ts';
import {
  discard,
  type OpenResponse,
  type RegistryRequest,
  readBounded,
  redactUrl,
  statusFailure,
  type Transport,
} from './transport.ts';

const MOST_TOKEN_BYTES = 1024 * 1024;
// A token without `expires_in` lives this long, by the specification; one is renewed before it ends.
const TOKEN_SECONDS = 60;
const RENEW_BEFORE_MS = 10_000;

interface Authorization {
  readonly header: string;
  readonly expiresAt: number;
}

/** Sends requests of one registry with the authorization that it asks for. */
export interface AuthorizedSender {
  /**
   * Sends a request for a scope (`repository:name:pull,push`). Asked for authorization, it obtains one and sends
   * again, once. Authorization goes to the registry's own origin only.
   */
  send(operation: string, scope: string, wanted: RegistryRequest): Promise<OpenResponse>;
}

/**
 * The authorization of one registry: Basic, or Bearer tokens from the realm that the registry names, kept for each
 * scope until shortly before they expire.
 * https://distribution.github.io/distribution/spec/auth/token/
 */
export function createAuthorizedSender(
  registry: string,
  transport: Transport,
  credentialsOf: CredentialSource,
  clock: RetryClock,
): AuthorizedSender {
  const kept = new Map<string, Authorization>();
  const { origin } = transport.baseUrl(registry);

  async function send(operation: string, scope: string, wanted: RegistryRequest): Promise<OpenResponse> {
    const own = wanted.url.origin === origin;
    const known = own ? current(scope) : undefined;
    const response = await transport.send(operation, wanted, known);
    if (response.status !== 401 || !own || response.url.origin !== origin) return response;
    const challenge = parseChallenge(response.headers['www-authenticate']);
    if (challenge === undefined) return response;
    const header = await obtain(operation, scope, challenge);
    if (header === undefined) return response;
    await discard(response);
    return transport.send(operation, wanted, header);
  }

  function current(scope: string): string | undefined {
    const found = kept.get(scope) ?? kept.get('*');
    return found !== undefined && found.expiresAt > clock.now() ? found.header : undefined;
  }

  async function obtain(operation: string, scope: string, challenge: Challenge): Promise<string | undefined> {
    const credentials = await credentialsOf(registry);
    if (challenge.scheme === 'basic') {
      if (credentials?.kind !== 'basic') return undefined;
      const header = basicHeader(credentials);
      kept.set('*', { header, expiresAt: Number.POSITIVE_INFINITY });
      return header;
    }
    const authorization = await fetchToken(operation, scope, challenge, credentials);
    kept.set(scope, authorization);
    return authorization.header;
  }

  async function fetchToken(
    operation: string,
    scope: string,
    challenge: Extract<Challenge, { readonly scheme: 'bearer' }>,
    credentials: Credentials | undefined,
  ): Promise<Authorization> {
    const url = parseRealm(challenge.realm, operation);
    transport.checkUrl(url, operation);
    const step = `${operation}: token for ${registry}`;
    const response = await transport.send(
      step,
      tokenRequest(url, { service: challenge.service, scope: challenge.scope ?? scope }, credentials),
      credentials?.kind === 'basic' ? basicHeader(credentials) : undefined,
    );
    if (response.status !== 200) throw await statusFailure(step, response, clock.now());
    return readToken(step, response, await readBounded(step, response, MOST_TOKEN_BYTES));
  }

  function readToken(step: string, response: OpenResponse, body: Buffer): Authorization {
    let answer: { readonly token?: unknown; readonly access_token?: unknown; readonly expires_in?: unknown };
    try {
      answer = JSON.parse(body.toString('utf8'));
    } catch {
      // The parser's message quotes the body, which may hold a token.
      throw new OciError('REGISTRY_RESPONSE', `${step}: ${redactUrl(response.url)}: expected JSON`);
    }
    const token = answer.token || answer.access_token;
    if (typeof token !== 'string' || /[\r\n]/.test(token)) {
      throw new OciError(
        'REGISTRY_RESPONSE',
        `${step}: ${redactUrl(response.url)}: expected a token, found none`,
      );
    }
    const seconds = typeof answer.expires_in === 'number' ? answer.expires_in : TOKEN_SECONDS;
    return { header: `Bearer ${token}`, expiresAt: clock.now() + seconds * 1000 - RENEW_BEFORE_MS };
  }

  return { send };
}

function parseRealm(realm: string, operation: string): URL {
  try {
    return new URL(realm);
  } catch {
    throw new OciError(
      'REGISTRY_RESPONSE',
      `${operation}: expected the URL of a token server as realm, found another text`,
    );
  }
}

function tokenRequest(
  url: URL,
  wanted: { readonly service: string | undefined; readonly scope: string },
  credentials: Credentials | undefined,
): RegistryRequest {
  const parameters = new URLSearchParams();
  if (wanted.service !== undefined) parameters.set('service', wanted.service);
  for (const scope of wanted.scope.split(' ')) parameters.append('scope', scope);
  if (credentials?.kind === 'identity') {
    parameters.set('grant_type', 'refresh_token');
    parameters.set('client_id', 'prebuilt-nx');
    parameters.set('refresh_token', credentials.token);
    const body = parameters.toString();
    return {
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: () => body,
    };
  }
  const asked = new URL(url);
  for (const [name, value] of parameters) asked.searchParams.append(name, value);
  return { method: 'GET', url: asked };
}

function basicHeader({ username, password }: Extract<Credentials, { readonly kind: 'basic' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}
