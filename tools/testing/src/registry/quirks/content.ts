import { gzipSync } from 'node:zlib';
import { fail, json, type Reply, reply, type Seen } from '../fake-registry/exchange.ts';
import { firstOfEach, type Quirk, withHeaders, withoutHeaders } from './quirk.ts';

const isBlob = ({ kind, rest }: Seen): boolean => kind === 'blobs' && rest.startsWith('sha256:');
const reads = ({ method }: Seen): boolean => method === 'GET' || method === 'HEAD';
const isManifest = (seen: Seen): boolean => seen.kind === 'manifests' && reads(seen);
const manifestPut = ({ kind, method }: Seen): boolean => kind === 'manifests' && method === 'PUT';

/** Hides what was just written from this many reads. */
const lagging =
  (looks: number, counts: (seen: Seen) => boolean, answer: () => Reply): Quirk['start'] =>
  () => {
    const first = firstOfEach(looks);
    const written = new Set<string>();
    return {
      after: (seen, given) => {
        if (given.status === 201) {
          const location = String(given.headers.location ?? '');
          written.add(location.slice(location.lastIndexOf('/') + 1));
        }
        const late = counts(seen) && given.status === 200 && written.has(seen.rest) && first(seen.rest);
        return late ? answer() : given;
      },
    };
  };

/** Quirks in how registries serve blobs, manifests and tags. */
export const CONTENT_QUIRKS: readonly Quirk[] = [
  {
    name: 'serves no layer before a manifest references it, as ECR does',
    source: 'https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetDownloadUrlForLayer.html',
    start: () => ({
      after: (seen, given, { manifests }) => {
        if (!isBlob(seen) || seen.method !== 'GET') return given;
        const named = [...manifests.values()].some(({ bytes }) => bytes.includes(seen.rest));
        return named ? given : fail(404, 'BLOB_UNKNOWN', 'the layer is not associated with an image');
      },
    }),
  },
  {
    name: 'answers 403 for a layer that no manifest references',
    source: 'https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetDownloadUrlForLayer.html',
    start: () => ({
      after: (seen, given, { manifests }) => {
        if (!isBlob(seen) || seen.method !== 'GET') return given;
        const named = [...manifests.values()].some(({ bytes }) => bytes.includes(seen.rest));
        return named ? given : fail(403, 'DENIED', 'LayerInaccessibleException');
      },
    }),
  },
  {
    name: 'answers 404 to the first two reads of a stored blob',
    source: 'https://github.com/openshift/image-registry/pull/220',
    start: lagging(2, isBlob, () => fail(404, 'BLOB_UNKNOWN')),
  },
  {
    name: 'answers 404 to the first two reads of a stored manifest',
    source: 'https://github.com/moby/moby/issues/36823',
    start: lagging(2, isManifest, () => fail(404, 'MANIFEST_UNKNOWN')),
  },
  {
    name: 'answers 404 BLOB_UNKNOWN for a manifest at first',
    source: 'https://github.com/moby/moby/issues/36823',
    start: () => {
      const first = firstOfEach(2);
      return {
        before: (seen) =>
          manifestPut(seen) && first(seen.target)
            ? fail(404, 'BLOB_UNKNOWN', 'blob unknown to registry')
            : undefined,
      };
    },
  },
  {
    name: 'answers 400 MANIFEST_BLOB_UNKNOWN for a manifest at first',
    source: 'https://github.com/distribution/distribution/issues/1636',
    start: () => {
      const first = firstOfEach(1);
      return {
        before: (seen) =>
          manifestPut(seen) && first(seen.target) ? fail(400, 'MANIFEST_BLOB_UNKNOWN') : undefined,
      };
    },
  },
  {
    name: 'serves the former target of a tag for three reads after it moved',
    source: 'https://github.com/distribution/distribution/issues/1013',
    start: () => {
      const former = new Map<string, string | undefined>();
      let looks = 0;
      return {
        before: (seen, { tags, manifests }) => {
          const { repository, rest } = seen;
          const made = manifestPut(seen)
            ? rest.includes(':')
              ? seen.url.searchParams.get('tag')
              : rest
            : null;
          if (made !== null) {
            const digest = tags.get(`${repository}:${made}`);
            former.set(made, digest);
            looks = 3;
          }
          if (!isManifest(seen) || !former.has(rest) || looks === 0) return undefined;
          looks -= 1;
          const digest = former.get(rest);
          const stored = manifests.get(`${repository}@${digest}`);
          if (digest === undefined || stored === undefined) return fail(404, 'MANIFEST_UNKNOWN');
          return reply(
            200,
            { 'content-type': stored.mediaType, 'docker-content-digest': digest },
            stored.bytes,
          );
        },
      };
    },
  },
  {
    name: 'returns null instead of an empty list of tags',
    source: 'https://github.com/distribution/distribution/issues/1186',
    start: () => ({
      after: (seen, given) =>
        seen.kind === 'tags' && given.status === 404
          ? json(200, { name: seen.repository, tags: null })
          : given,
    }),
  },
  {
    name: 'answers HEAD with 405',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6',
    start: () => ({ before: ({ method }) => (method === 'HEAD' ? reply(405, { allow: 'GET' }) : undefined) }),
  },
  {
    name: 'redirects blobs to a store with URLs signed only for GET',
    source: 'https://github.com/barneygale/httpio/pull/9',
    start: () => ({
      before: (seen) => {
        const { headers, method, target, repository, rest } = seen;
        if (!isBlob(seen) || !reads(seen)) return undefined;
        // A different origin from the registry's: the same server under another name.
        const store = String(headers.host).replace('127.0.0.1', 'localhost');
        if (headers.host === store) return method === 'HEAD' ? reply(403) : undefined;
        return target.includes('sig=')
          ? undefined
          : reply(307, { location: `http://${store}/v2/${repository}/blobs/${rest}?sig=x` });
      },
      after: (seen, given) =>
        isBlob(seen) && seen.headers.host?.startsWith('localhost') && seen.headers.authorization !== undefined
          ? fail(400, 'UNSUPPORTED', 'more than one authentication mechanism')
          : given,
    }),
  },
  {
    name: 'does not implement HEAD',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.6.2',
    start: () => ({ before: ({ method }) => (method === 'HEAD' ? reply(501) : undefined) }),
  },
  {
    name: 'redirects blobs to its own path with a signed query',
    source: 'https://github.com/distribution/distribution/issues/2296',
    start: () => ({
      before: (seen) => {
        if (!isBlob(seen) || !reads(seen) || seen.target.includes('sig=')) return undefined;
        return reply(307, { location: `${seen.target}?sig=a%2Fb+c%20d'e~&X=(1)` });
      },
      after: (seen, given) =>
        isBlob(seen) && seen.target.includes('sig=') && !seen.target.endsWith("?sig=a%2Fb+c%20d'e~&X=(1)")
          ? fail(403, 'DENIED', 'SignatureDoesNotMatch')
          : given,
    }),
  },
  {
    name: 'sends no Docker-Content-Digest',
    source: 'https://github.com/distribution/distribution/issues/3792',
    start: () => ({ after: (_, given) => withoutHeaders(given, 'docker-content-digest') }),
  },
  {
    name: 'gives its digests as SHA-512',
    source: 'https://github.com/opencontainers/distribution-spec/pull/563',
    start: () => ({
      after: (_, given) =>
        given.headers['docker-content-digest'] === undefined
          ? given
          : withHeaders(given, { 'docker-content-digest': `sha512:${'0'.repeat(128)}` }),
    }),
  },
  {
    name: 'serves manifests as text/plain',
    source: 'https://github.com/distribution/distribution/pull/2384',
    start: () => ({
      after: (seen, given) =>
        isManifest(seen) && given.status === 200
          ? withHeaders(given, { 'content-type': 'text/plain; charset=utf-8' })
          : given,
    }),
  },
  {
    name: 'compresses manifests without being asked to',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3',
    start: () => ({
      after: (seen, given) => {
        if (seen.kind !== 'manifests' || seen.method !== 'GET' || given.body === undefined) return given;
        const body = gzipSync(given.body);
        const headers = {
          ...given.headers,
          'content-encoding': 'gzip',
          'content-length': String(body.length),
        };
        return { ...given, headers, body };
      },
    }),
  },
  {
    name: 'answers the PUT of a manifest with 202',
    source: 'https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests',
    start: () => ({
      after: (seen, given) => (manifestPut(seen) && given.status === 201 ? { ...given, status: 202 } : given),
    }),
  },
  {
    name: 'ignores the tags of manifests that are pushed by digest',
    source: 'https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests',
    options: { tagsByDigest: false },
    start: () => ({}),
  },
  {
    name: 'refuses a query with a manifest',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6',
    start: () => ({
      before: (seen) => (manifestPut(seen) && seen.url.search !== '' ? fail(405, 'UNSUPPORTED') : undefined),
    }),
  },
  {
    name: 'refuses to move a tag or to push it again, as with immutable tags',
    source: 'https://github.com/aws/containers-roadmap/issues/2380',
    start: () => ({
      before: (seen, { tags }) => {
        const tag = seen.rest.includes(':') ? seen.url.searchParams.get('tag') : seen.rest;
        const fixed = manifestPut(seen) && tag !== null && /^\d+\.\d+\.\d+$/.test(tag);
        return fixed && tags.has(`${seen.repository}:${tag}`)
          ? fail(400, 'TAG_INVALID', `The image tag '${tag}' already exists and is immutable`)
          : undefined;
      },
    }),
  },
  {
    name: 'closes every connection after its answer, as HTTP/1.0 does',
    source: 'https://www.rfc-editor.org/rfc/rfc9112#section-9.3',
    start: () => ({ after: (_, given) => withHeaders(given, { connection: 'close' }) }),
  },
  {
    name: 'rate-limits requests with a Retry-After in µs, as GHCR does',
    source: 'https://github.com/dependabot/cli/issues/380',
    start: () => {
      const first = firstOfEach(1);
      return {
        before: (seen) =>
          first(`${seen.method} ${seen.kind}`)
            ? withHeaders(fail(429, 'TOOMANYREQUESTS', 'retry-after: 880.092µs, allowed: 44000/minute'), {
                'retry-after': '880.092µs',
              })
            : undefined,
      };
    },
  },
  {
    name: 'rate-limits requests with a Retry-After as a Unix time, as Docker Hub does',
    source: 'https://github.com/docker/hub-feedback/issues/2459',
    start: () => {
      const first = firstOfEach(1);
      return {
        before: (seen) =>
          first(`${seen.method} ${seen.kind}`) ? reply(429, { 'retry-after': '1800000001' }) : undefined,
      };
    },
  },
  {
    name: 'is behind a gateway that fails every third request with its own page',
    source: 'https://github.com/gardenlinux/gardenlinux/issues/2585',
    start: () => {
      let requests = 0;
      const failed = new Map<string, number>();
      return {
        before: ({ method, target }) => {
          requests += 1;
          // Requests arrive in parallel, so which one is third is random, and one could by chance fail at every try.
          const times = failed.get(`${method} ${target}`) ?? 0;
          if (requests % 3 !== 0 || times === 2) return undefined;
          failed.set(`${method} ${target}`, times + 1);
          return reply(502, { 'content-type': 'text/html' }, '<title>502 Bad Gateway</title>');
        },
      };
    },
  },
  {
    name: 'is behind Cloudflare, which answers 522 at first',
    source:
      'https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/',
    start: () => {
      const first = firstOfEach(1);
      return { before: (seen) => (first(seen.kind) ? reply(522) : undefined) };
    },
  },
  {
    name: 'changes the protocol with 101 without being asked to',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.2.2',
    outcome: { error: { code: 'REGISTRY_RESPONSE', says: /found status 101/ } },
    start: () => ({
      after: (seen, given) =>
        seen.kind === 'blobs'
          ? {
              ...given,
              raw: 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
            }
          : given,
    }),
  },
  {
    name: 'sends endless interim responses',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.2',
    outcome: { error: { code: 'REGISTRY_RESPONSE', says: /more than 32 interim responses/ } },
    start: () => ({
      after: (seen, given) =>
        seen.kind === 'blobs' ? { ...given, raw: 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1000) } : given,
    }),
  },
  {
    name: 'sends 103 Early Hints before every response',
    source: 'https://www.rfc-editor.org/rfc/rfc8297',
    start: () => ({
      before: ({ request }) => {
        request.socket.write('HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n');
        return undefined;
      },
    }),
  },
  {
    name: 'sends terminal and runner commands in its messages',
    source: 'https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions',
    outcome: {
      error: {
        code: 'REGISTRY_REFUSED',
        says: /^[^\p{Cc}]*MANIFEST_INVALID: no \[2J 31m ::add-mask::x # #\[error\]y$/u,
      },
    },
    start: () => ({
      before: (seen) =>
        manifestPut(seen)
          ? json(400, {
              errors: [
                { code: 'MANIFEST_INVALID', message: 'no\u001b[2J\u009b31m\n::add-mask::x\r\n##[error]y' },
              ],
            })
          : undefined,
    }),
  },
];
