import type { FakeRegistryOptions } from '../fake-registry/behavior.ts';
import { fail, json, type Reply, reply, type Seen } from '../fake-registry/exchange.ts';
import { firstOfEach, type Quirk, withHeaders, withoutHeaders } from './quirk.ts';

/**
 * The user who may push to the registries with these quirks. No other user has this password: skopeo gets it as an
 * argument, where a test that searches all command lines for another one must not find it.
 */
export const QUIRK_USER = { username: 'user', password: 'quirk-password' } as const;

const BEARER: Partial<FakeRegistryOptions> = { auth: { scheme: 'bearer', ...QUIRK_USER } };
const BASIC: Partial<FakeRegistryOptions> = { auth: { scheme: 'basic', ...QUIRK_USER } };

/** Replaces the challenge of an answer. */
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

/** Changes the members of the token server's answer. */
const token =
  (change: (answer: { token: string; expires_in: number }) => object): Quirk['start'] =>
  () => ({
    after: (seen, answer) =>
      seen.isToken && answer.status === 200 ? json(200, change(JSON.parse(String(answer.body)))) : answer,
  });

/** Quirks in how registries authenticate. */
export const AUTHORIZATION_QUIRKS: readonly Quirk[] = [
  {
    name: 'asks only for pull permission before the first push creates the repository',
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
    name: 'asks for the scope *, as Gitea does',
    source: 'https://github.com/go-gitea/gitea/blob/main/routers/api/packages/container/container.go',
    options: BEARER,
    start: challenge((own) => own.replace(/,scope="[^"]*"/, ',scope="*"')),
  },
  {
    name: 'offers Negotiate before Basic in separate headers',
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
    name: 'offers Basic before Bearer, but accepts only Bearer',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1',
    options: BEARER,
    start: challenge((own) => ['Basic realm="registry"', own]),
  },
  {
    name: 'offers Basic, and Bearer with a realm that issues no tokens',
    source: 'https://github.com/siderolabs/image-factory/pull/573',
    options: BASIC,
    start: () => ({
      before: (seen) => (seen.url.pathname === '/no-token' ? fail(404, 'NOT_FOUND') : undefined),
      after: (seen, answer) =>
        rechallenged(answer, (own) => [`Bearer realm="http://${seen.headers.host}/no-token"`, own]),
    }),
  },
  {
    name: 'writes its challenge with odd case and spacing',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-11.2',
    options: BEARER,
    start: challenge((own) =>
      own.replace('Bearer ', 'BEARER   ').replace('realm=', 'Realm = ').replaceAll(',', ' ,  '),
    ),
  },
  {
    name: 'gives its token server as a path, as zot does',
    source: 'https://github.com/project-zot/zot/issues/4033',
    options: BEARER,
    start: challenge((own) => own.replace(/realm="[^"]*"/, 'realm="/token"')),
  },
  {
    name: 'omits its challenge in answers to HEAD',
    source: 'https://github.com/goharbor/harbor/issues/18305',
    options: BEARER,
    start: challenge((own, { method }) => (method === 'HEAD' ? undefined : own)),
  },
  {
    name: 'returns its token as access_token, without a lifetime',
    source: 'https://learn.microsoft.com/azure/container-registry/container-registry-authentication',
    options: BEARER,
    start: token(({ token: value }) => ({ access_token: value })),
  },
  {
    name: 'returns an empty token along with the access_token',
    source: 'https://distribution.github.io/distribution/spec/auth/token/',
    options: BEARER,
    start: token(({ token: value }) => ({ token: '', access_token: value, expires_in: null })),
  },
  {
    name: 'gives the lifetime of its token as a string',
    source: 'https://distribution.github.io/distribution/spec/auth/token/',
    options: BEARER,
    start: token(({ token: value }) => ({ token: value, expires_in: '3600' })),
  },
  {
    name: 'issues tokens that expire after three requests',
    source: 'https://github.com/smol-machines/smolvm/pull/436',
    options: BEARER,
    start: () => {
      const first = firstOfEach(3);
      return {
        // As if time had passed: each token is valid for three requests.
        before: ({ headers, isToken }, { tokens }) => {
          const { authorization = '' } = headers;
          if (!isToken && !first(authorization)) tokens.delete(authorization);
          return undefined;
        },
      };
    },
  },
  {
    name: 'issues tokens only for the scopes in its own challenge',
    source: 'https://distribution.github.io/distribution/spec/auth/scope/',
    options: BEARER,
    start: () => ({
      // It requests the right permissions, but under its own name for the repository.
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
