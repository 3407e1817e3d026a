import { OciError } from '../errors.ts';
import { parseBoundedJson } from '../layout/bounded-json.ts';
import type { Credentials } from './credentials/index.ts';
import type { RegistryRequest } from './transport/index.ts';
import { type Address, type Operation, redactUrl, withParameter } from './transport/index.ts';

/** A token for the `Authorization` header, and its lifetime in seconds. */
export interface Token {
  readonly value: string;
  readonly seconds: number;
}

// The specification's default if the response does not say. A year is as good as forever.
const DEFAULT_SECONDS = 60;
const MAX_SECONDS = 365 * 24 * 3600;
// The characters allowed in a header.
const HEADER_TEXT = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * The request for a token from a realm: a GET with the user's name and password if there are any, or a POST that
 * exchanges an identity token. The realm's own query is kept as it is.
 * https://distribution.github.io/distribution/spec/auth/token/
 * https://distribution.github.io/distribution/spec/auth/oauth/
 */
export function tokenRequest(
  realm: Address,
  wanted: { readonly service: string | undefined; readonly scopes: readonly string[] },
  credentials: Credentials | undefined,
): RegistryRequest {
  const { service, scopes } = wanted;
  if (credentials?.kind === 'identity') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'prebuilt-nx',
      refresh_token: credentials.token,
      scope: scopes.join(' '),
    });
    if (service !== undefined) form.set('service', service);
    const body = form.toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', address: realm, headers, body: () => body };
  }
  const parameters = [
    ...(service === undefined ? [] : [['service', service] as const]),
    ...scopes.map((scope) => ['scope', scope] as const),
  ];
  const address = parameters.reduce((at, [name, value]) => withParameter(at, name, value), realm);
  return { method: 'GET', address };
}

/** Reads a token server's response. Throws `REGISTRY_RESPONSE` without quoting it, since it may contain a token. */
export function readToken(operation: Operation, from: Address, body: Buffer): Token {
  const wrong = (expected: string): OciError =>
    new OciError('REGISTRY_RESPONSE', `${operation.name}: ${redactUrl(from.url)}: ${expected}`);
  let answer: unknown;
  try {
    answer = parseBoundedJson(body.toString('utf8'));
  } catch {
    throw wrong('expected JSON, found something else');
  }
  if (typeof answer !== 'object' || answer === null) throw wrong('expected an object, found something else');
  const { token, access_token, expires_in } = answer as Readonly<Record<string, unknown>>;
  const value = token || access_token;
  if (typeof value !== 'string' || !HEADER_TEXT.test(value)) throw wrong('expected a token, found none');
  const told = typeof expires_in === 'string' ? Number(expires_in) : expires_in;
  const seconds = typeof told === 'number' && told > 0 ? Math.min(told, MAX_SECONDS) : DEFAULT_SECONDS;
  return { value, seconds };
}
