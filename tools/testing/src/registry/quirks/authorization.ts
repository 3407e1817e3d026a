import type { FakeRegistryOptions } from '../fake-registry/behavior.ts';
import { fail, json, type Reply, reply, type Seen } from '../fake-registry/exchange.ts';
import { firstOfEach, type Quirk, withHeaders, withoutHeaders } from './quirk.ts';

/** Who may push to the registries of these quirks. */
export const QUIRK_USER = { username: 'user', password: 'canary-password' } as const;

const BEARER: Partial<FakeRegistryOptions> = { auth: { scheme: 'bearer', ...QUIRK_USER } };
const BASIC: Partial<FakeRegistryOptions> = { auth: { scheme: 'basic', ...QUIRK_USER } };

/** The answer with another challenge than its own. */
function rechallenged(
  reply: Reply,
  change: (challenge: string) => string | readonly string[] | undefined,
): Reply {
  const own = reply.headers['www-authenticate'];
  if (typeof own !== 'string') return reply;
  const changed = change(own);
  return changed === undefined
    ? withoutHeaders(reply, 'www-authenticate')
    : withHeaders(reply, { 'www-authenticate': changed });
}

const challenge =
  (change: (challenge: string, seen: Seen) => string | readonly string[] | undefined): Quirk['start'] =>
  () => ({ after: (seen, answer) => rechallenged(answer, (own) => change(own, seen)) });

/** The token server's answer with other members. */
const token =
  (change: (answer: { token: string; expires_in: number }) => object): Quirk['start'] =>
  () => ({
    after: (seen, answer) =>
      seen.isToken && answer.status === 200 ? json(200, change(JSON.parse(String(answer.body)))) : answer,
  });

/** How registries ask who is there. */
export const AUTHORIZATION_QUIRKS: readonly Quirk[] = [
  {
    name: 'asks for the right to pull alone before the first push makes the repository',
    source: 'https://github.com/helm/helm/pull/32156',
    options: BEARER,
    start: challenge((own) => own.replace(':pull,push"', ':pull"')),
  },
  {
    name: 'asks for no scope at all',
    source: 'https://distribution.github.io/distribution/spec/auth/token/#how-to-authenticate',
    options: BEARER,
    start: challenge((own) => own.replace(/,scope="[^"]*"/, '')),
  },
  {
    name: 'asks for the scope * as Gitea does',
    source: 'https://github.com/go-gitea/gitea/blob/main/routers/api/packages/container/container.go',
    options: BEARER,
    start: challenge((own) => own.replace(/,scope="[^"]*"/, ',scope="*"')),
  },
  {
    name: 'offers Negotiate before Basic in headers of their own',
    source: 'https://github.com/google/go-containerregistry/pull/1075',
    options: BASIC,
    start: challenge((own) => ['Negotiate', own]),
  },
  {
    name: 'offers Negotiate with data, Basic and Bearer in one header',
    source: 'https://github.com/prowler-cloud/prowler/pull/12691',
    options: BEARER,
    start: challenge((own) => `Negotiate YIIB6wYGKwYBBQUCoA==, Basic realm="a, b=\\"c\\"", ${own}`),
  },
  {
    name: 'offers Basic before Bearer, and takes Bearer alone',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1',
    options: BEARER,
    start: challenge((own) => ['Basic realm="registry"', own]),
  },
  {
    name: 'offers Bearer with a realm that gives no tokens beside Basic',
    source: 'https://github.com/siderolabs/image-factory/pull/573',
    options: BASIC,
    start: () => ({
      before: (seen) => (seen.url.pathname === '/no-token' ? fail(404, 'NOT_FOUND') : undefined),
      after: (seen, answer) =>
        rechallenged(answer, (own) => [`Bearer realm="http://${seen.headers.host}/no-token"`, own]),
    }),
  },
  {
    name: 'writes its challenge in odd case and spaces',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-11.2',
    options: BEARER,
    start: challenge((own) =>
      own.replace('Bearer ', 'BEARER   ').replace('realm=', 'Realm = ').replaceAll(',', ' ,  '),
    ),
  },
  {
    name: 'names its token server by a path, as zot does',
    source: 'https://github.com/project-zot/zot/issues/4033',
    options: BEARER,
    start: challenge((own) => own.replace(/realm="[^"]*"/, 'realm="/token"')),
  },
  {
    name: 'leaves its challenge out of answers to HEAD',
    source: 'https://github.com/goharbor/harbor/issues/18305',
    options: BEARER,
    start: challenge((own, { method }) => (method === 'HEAD' ? undefined : own)),
  },
  {
    name: 'gives its token as access_token, without a time',
    source: 'https://learn.microsoft.com/azure/container-registry/container-registry-authentication',
    options: BEARER,
    start: token(({ token: value }) => ({ access_token: value })),
  },
  {
    name: 'gives an empty token beside the access_token',
    source: 'https://distribution.github.io/distribution/spec/auth/token/',
    options: BEARER,
    start: token(({ token: value }) => ({ token: '', access_token: value, expires_in: null })),
  },
  {
    name: 'says in a string how long its token lives',
    source: 'https://distribution.github.io/distribution/spec/auth/token/',
    options: BEARER,
    start: token(({ token: value }) => ({ token: value, expires_in: '3600' })),
  },
  {
    name: 'gives tokens that end before the next request',
    source: 'https://github.com/smol-machines/smolvm/pull/436',
    options: BEARER,
    start: () => {
      const first = firstOfEach(3);
      return {
        // As if the clock had gone on: each token is good for three requests.
        before: ({ headers, isToken }, { tokens }) => {
          const { authorization = '' } = headers;
          if (!isToken && !first(authorization)) tokens.delete(authorization);
          return undefined;
        },
      };
    },
  },
  {
    name: 'gives tokens only for scopes that it asked for itself',
    source: 'https://distribution.github.io/distribution/spec/auth/scope/',
    options: BEARER,
    start: () => ({
      // It asks for what the request needs, under the name that it has for the repository.
      before: (seen, { tokens }) => {
        if (!seen.isToken) return undefined;
        const scopes = seen.url.searchParams.getAll('scope');
        if (scopes.some((scope) => !scope.startsWith('alias:'))) return fail(400, 'INVALID_SCOPE');
        const names = scopes.flatMap((scope) => {
          const [, name, actions = ''] = scope.split(':');
          return actions.split(',').map((action) => `repository:${name}:${action}`);
        });
        const value = `alias-${tokens.size}`;
        tokens.set(`Bearer ${value}`, { until: Number.POSITIVE_INFINITY, scopes: new Set(names) });
        return json(200, { token: value });
      },
      after: (_, answer) => rechallenged(answer, (own) => own.replace('scope="repository:', 'scope="alias:')),
    }),
  },
  {
    name: 'has a token server that is overloaded at first',
    source: 'https://github.com/gardenlinux/gardenlinux/issues/2585',
    options: BEARER,
    start: () => {
      const first = firstOfEach(2);
      return { before: (seen) => (seen.isToken && first('token') ? reply(503) : undefined) };
    },
  },
];
