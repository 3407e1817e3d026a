import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestAuthority } from './test-authority.ts';

/** A user of a token server. */
export interface TokenUser {
  readonly password: string;
  readonly actions: readonly ('pull' | 'push')[];
  /** Lifetime of the user's tokens in seconds; if negative, they are already expired. */
  readonly tokenSeconds?: number;
}

/** A token server over TLS, in the form that Docker's registry trusts. */
export interface TokenServer {
  readonly realm: string;
  readonly issuer: string;
  readonly service: string;
  /** How many tokens it issued. */
  readonly given: () => number;
  close(): Promise<void>;
}

/**
 * Issues signed tokens to users who send their password.
 * https://distribution.github.io/distribution/spec/auth/jwt/
 */
export async function startTokenServer(
  authority: TestAuthority,
  users: Readonly<Record<string, TokenUser>>,
): Promise<TokenServer> {
  const [issuer, service] = ['test-issuer', 'test-registry'];
  const key = createPrivateKey(authority.key);
  let given = 0;
  const server = createServer({ key: authority.key, cert: authority.cert }, (request, response) => {
    const url = new URL(request.url ?? '/', 'https://127.0.0.1');
    const [name = '', password] = Buffer.from(
      (request.headers.authorization ?? '').slice('Basic '.length),
      'base64',
    )
      .toString('utf8')
      .split(':');
    const user = users[name];
    if (user === undefined || user.password !== password) {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'incorrect name or password' }] }),
      );
      return;
    }
    const access = url.searchParams.getAll('scope').map((scope) => {
      const [type, repository, actions = ''] = scope.split(':');
      const allowed = actions.split(',').filter((action) => user.actions.some((each) => each === action));
      return { type, name: repository, actions: allowed };
    });
    const now = Math.floor(Date.now() / 1000);
    const seconds = user.tokenSeconds ?? 300;
    const claims = {
      iss: issuer,
      sub: name,
      aud: service,
      exp: now + seconds,
      nbf: now - 3600,
      iat: now - 3600,
      jti: randomUUID(),
      access,
    };
    const x5c = [authority.cert.replaceAll(/-----[^-]+-----|\s/g, '')];
    const unsigned = [{ typ: 'JWT', alg: 'ES256', x5c }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = sign('sha256', Buffer.from(unsigned), { key, dsaEncoding: 'ieee-p1363' });
    given += 1;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ token: `${unsigned}.${signature.toString('base64url')}`, expires_in: seconds }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    realm: `https://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    issuer,
    service,
    given: () => given,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
