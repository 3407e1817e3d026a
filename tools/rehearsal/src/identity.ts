import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Claims, identityToken } from '@prebuilt/testing/sigstore';

/** The issuer of the jobs' tokens. */
export const ISSUER = 'https://token.actions.githubusercontent.com';

/** GitHub's service that gives a job a token to identify itself to others. */
export interface IdentityTokens extends AsyncDisposable {
  /** The environment for a job with the permission `id-token: write`, whose tokens get these claims. */
  environmentOf(claims: Claims): Readonly<Record<string, string>>;
  /** The claims of every issued token. */
  readonly issued: readonly Claims[];
  /** The issued tokens, and the request tokens. */
  readonly secrets: readonly string[];
}

/**
 * Starts the service on loopback. It accepts a job's own request token, and issues a token for the requested audience.
 * https://docs.github.com/actions/reference/security/oidc
 */
export async function startIdentityTokens(): Promise<IdentityTokens> {
  const jobs = new Map<string, Claims>();
  const issued: Claims[] = [];
  const secrets: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://127.0.0.1');
    const claims = jobs.get(request.headers.authorization?.replace(/^Bearer /, '') ?? '');
    if (request.method !== 'GET' || url.pathname !== '/token') return void response.writeHead(404).end();
    if (claims === undefined) return void response.writeHead(401).end('{"message":"Unauthorized"}');
    const aud = url.searchParams.get('audience') ?? `https://github.com/${claims.repository_owner}`;
    const given = { ...claims, aud, iss: ISSUER };
    const value = identityToken(given);
    issued.push(given);
    secrets.push(value);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ count: value.length, value }));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  return {
    issued,
    secrets,
    environmentOf: (claims) => {
      const request = `request-${randomBytes(24).toString('hex')}`;
      jobs.set(request, claims);
      secrets.push(request);
      return {
        ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/token?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: request,
      };
    },
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
