import { randomUUID } from 'node:crypto';
import type { FakeRegistryOptions } from './behavior.ts';
import { fail, json, type Reply, type Seen } from './exchange.ts';
import type { RegistryState } from './state.ts';

/** The answer to an unauthorized request; undefined for an authorized one. Tokens are valid for their scopes only. */
export function refuse(
  seen: Seen,
  { auth, mayPush, tls }: FakeRegistryOptions,
  { host, tokens }: RegistryState,
): Reply | undefined {
  if (auth === undefined) return undefined;
  const writes = seen.method !== 'GET' && seen.method !== 'HEAD';
  const header = seen.headers.authorization ?? '';
  const denied = (subject: string): Reply | undefined =>
    writes && !mayPush ? fail(403, 'DENIED', `this ${subject} ${SUBJECT[subject] ?? ''}`) : undefined;
  const challenged = (challenge: string): Reply => {
    const answer = fail(401, 'UNAUTHORIZED', 'authentication required');
    return { ...answer, headers: { ...answer.headers, 'www-authenticate': challenge } };
  };
  if (auth.scheme === 'basic') {
    return header === basic(auth) ? denied('user') : challenged('Basic realm="fake"');
  }
  const needed = writes ? ['pull', 'push'] : ['pull'];
  const scope = seen.repository === '' ? undefined : `repository:${seen.repository}:${needed.join(',')}`;
  const token = tokens.get(header);
  const held = needed.every((action) => token?.scopes.has(`repository:${seen.repository}:${action}`));
  if (token !== undefined && token.until > Date.now() && (scope === undefined || held))
    return denied('token');
  const realm = `${tls === undefined ? 'http' : 'https'}://${host}/token`;
  return challenged(
    `Bearer realm="${realm}",service="fake"${scope === undefined ? '' : `,scope="${scope}"`}`,
  );
}

const SUBJECT: Readonly<Record<string, string>> = {
  user: 'may not push',
  token: 'does not allow pushing',
};

/** Issues a token for the requested scopes. */
export function giveToken(
  { url, headers }: Seen,
  { auth, tokenSeconds = 300 }: FakeRegistryOptions,
  { tokens }: RegistryState,
): Reply {
  if (auth === undefined || headers.authorization !== basic(auth))
    return fail(401, 'UNAUTHORIZED', 'bad credentials');
  const scopes = url.searchParams
    .getAll('scope')
    .flatMap((each) => each.split(' '))
    .flatMap((each) => {
      const [kind, name, actions = ''] = each.split(':');
      return actions.split(',').map((action) => `${kind}:${name}:${action}`);
    });
  const value = randomUUID();
  tokens.set(`Bearer ${value}`, { until: Date.now() + tokenSeconds * 1000, scopes: new Set(scopes) });
  return json(200, { token: value, expires_in: tokenSeconds });
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
