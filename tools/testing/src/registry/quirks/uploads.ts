import { fail, json, type Reply, reply, type Seen } from '../fake-registry/exchange.ts';
import { firstOfEach, type Quirk, withHeaders, withoutHeaders } from './quirk.ts';

const isUpload = ({ kind, rest }: Seen): boolean => kind === 'blobs' && rest.startsWith('uploads/');
const MIN_CHUNK = 5 * 1024 * 1024;
const sizeOf = ({ headers }: Seen): number => Number(headers['content-length'] ?? 0);

/** Changes the Location in answers to upload requests. */
const relocated =
  (change: (location: string, seen: Seen) => string | undefined): Quirk['start'] =>
  () => ({
    after: (seen, answer) => {
      const { location } = answer.headers;
      if (!isUpload(seen) || typeof location !== 'string' || answer.status !== 202) return answer;
      const changed = change(location, seen);
      return changed === undefined
        ? withoutHeaders(answer, 'location')
        : withHeaders(answer, { location: changed });
    },
  });

/** Replaces the status of successful uploads with one method. */
const answering =
  (method: string, status: number): Quirk['start'] =>
  () => ({
    after: (seen, answer) =>
      isUpload(seen) && seen.method === method && answer.status < 300 ? { ...answer, status } : answer,
  });

/** Refuses mounts. */
const mount =
  (answer: () => Reply): Quirk['start'] =>
  () => ({
    before: (seen) => (seen.method === 'POST' && seen.url.searchParams.has('mount') ? answer() : undefined),
  });

/** Limits the size of requests, like a proxy in front of the registry. */
const limited =
  (bytes: number, answer: () => Reply, counts = (_: Seen): boolean => true): Quirk['start'] =>
  () => ({
    before: (seen) =>
      (seen.method === 'PATCH' || seen.method === 'PUT') && sizeOf(seen) > bytes && counts(seen)
        ? answer()
        : undefined,
  });

const page = (status: number, title: string): Reply =>
  reply(status, { 'content-type': 'text/html' }, `<html><head><title>${title}</title></head></html>`);

// A query like those that stores sign: `URLSearchParams` would rewrite it to a different text.
const SIGNATURE = "sig=a%2Fb+c%20d~e'f(g)*h%3d&x=%7B1%7d&&empty&plus=1+1";

/** Quirks in how registries accept blobs. */
export const UPLOAD_QUIRKS: readonly Quirk[] = [
  {
    name: 'refuses mounts with 403',
    source: 'https://github.com/containerd/containerd/issues/14086',
    start: mount(() => fail(403, 'DENIED', 'requested access to the resource is denied')),
  },
  {
    name: 'refuses mounts with 401 and no challenge',
    source: 'https://github.com/google/go-containerregistry/issues/1393',
    start: mount(() => fail(401, 'UNAUTHORIZED', 'project not found')),
  },
  {
    name: 'refuses mounts with 400',
    source: 'https://github.com/goharbor/harbor/issues/22078',
    start: mount(() => fail(400, 'BAD_REQUEST', 'invalid repository name')),
  },
  {
    name: 'refuses mounts with 405',
    source: 'https://github.com/gardener/cc-utils/pull/1665',
    start: mount(() => fail(405, 'UNSUPPORTED')),
  },
  {
    name: 'is behind nginx with client_max_body_size 1m',
    needsLargeBlobs: true,
    source: 'https://nginx.org/en/docs/http/ngx_http_core_module.html#client_max_body_size',
    start: limited(1024 * 1024, () => page(413, '413 Request Entity Too Large')),
  },
  {
    name: 'is behind a proxy that accepts at most 2 MB per request',
    needsLargeBlobs: true,
    source: 'https://github.com/smol-machines/smolvm/pull/436',
    start: limited(2_000_000, () => reply(413)),
  },
  {
    name: 'accepts chunks of at most 4 MiB, but whole blobs of any size, as GHCR does',
    needsLargeBlobs: true,
    source: 'https://github.com/wasmCloud/wash-archive/issues/268',
    start: () => {
      const breaks = firstOfEach(1);
      return {
        before: (seen) => {
          // The first try of a layer breaks off in the middle.
          if (seen.method === 'PATCH' && sizeOf(seen) > 5 * 1024 * 1024 && breaks('PATCH')) {
            seen.request.once('data', () => setTimeout(() => seen.request.socket.destroy(), 5));
            return undefined;
          }
          return seen.method === 'PATCH' && seen.headers['content-range'] && sizeOf(seen) > 4 * 1024 * 1024
            ? fail(
                416,
                'REQUESTED_RANGE_NOT_SATISFIABLE',
                'the request body is too large and exceeds the maximum permissible limit of 4.00MiB',
              )
            : undefined;
        },
      };
    },
  },
  {
    name: 'requires chunks of at least 5 MiB, and says so',
    needsLargeBlobs: true,
    source:
      'https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks',
    start: () => {
      const breaks = firstOfEach(1);
      // Only the last chunk may be shorter: a short one can't be followed by another.
      const ended = new Set<string>();
      return {
        before: (seen) => {
          if (seen.method !== 'PATCH') return undefined;
          if (sizeOf(seen) > MIN_CHUNK && breaks('PATCH')) {
            seen.request.once('data', () => setTimeout(() => seen.request.socket.destroy(), 5));
            return undefined;
          }
          return ended.has(seen.rest)
            ? fail(416, 'SIZE_INVALID', 'chunk shorter than the minimum')
            : undefined;
        },
        after: (seen, answer) => {
          if (seen.method === 'PATCH' && answer.status === 202 && sizeOf(seen) < MIN_CHUNK)
            ended.add(seen.rest);
          return isUpload(seen) && seen.method === 'POST'
            ? withHeaders(answer, { 'oci-chunk-min-length': String(MIN_CHUNK) })
            : answer;
        },
      };
    },
  },
  {
    name: 'reports only the first chunk as received, but stores them all, as ECR does',
    needsLargeBlobs: true,
    source: 'https://github.com/aws/containers-roadmap/issues/2831',
    start: () => {
      const limit = limited(4 * 1024 * 1024, () => reply(413))();
      return {
        ...limit,
        after: (seen, answer) =>
          seen.method === 'PATCH' && answer.status === 202
            ? withHeaders(answer, { range: '0-524287' })
            : answer,
      };
    },
  },
  {
    name: 'gives the location of uploads with a signed query that must be sent back byte for byte',
    source: 'https://github.com/oras-project/oras-dotnet/issues/132',
    start: () => ({
      ...relocated((location) => `${location}&${SIGNATURE}`)(),
      before: (seen) =>
        isUpload(seen) && seen.method !== 'POST' && !seen.target.includes(`&${SIGNATURE}`)
          ? fail(403, 'DENIED', 'the signature does not match')
          : undefined,
    }),
  },
  {
    name: 'gives the location of uploads as absolute URLs',
    source: 'https://github.com/distribution/distribution/issues/2862',
    start: relocated((location, { headers }) => `http://${headers.host}${location}`),
  },
  {
    name: 'gives the location of uploads relative to the request',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2',
    start: relocated((location) => location.replace(/^.*\/uploads\//, './')),
  },
  {
    name: 'gives the location of an upload only in the answer to POST',
    source: 'https://github.com/kitops-ml/kitops/pull/329',
    start: relocated((location, { method }) => (method === 'POST' ? location : undefined)),
  },
  {
    name: 'answers PATCH with 204',
    source: 'https://github.com/distribution/distribution/blob/v2.8.3/docs/spec/api.md#chunked-upload',
    start: answering('PATCH', 204),
  },
  {
    name: 'answers PATCH with 201',
    source: 'https://github.com/regclient/regclient/issues/81',
    start: answering('PATCH', 201),
  },
  {
    name: 'answers the PUT of a blob with 204',
    source: 'https://github.com/distribution/distribution/blob/v2.8.3/docs/spec/api.md#completed-upload',
    start: answering('PUT', 204),
  },
  {
    name: 'does not support PATCH, and accepts a blob in one PUT',
    source: 'https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#post-then-put',
    start: () => ({
      before: (seen) => (isUpload(seen) && seen.method === 'PATCH' ? fail(405, 'UNSUPPORTED') : undefined),
    }),
  },
  {
    name: 'redirects the POST that starts an upload with 307',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.4.8',
    start: () => ({
      before: (seen) =>
        isUpload(seen) && seen.method === 'POST' && !seen.url.searchParams.has('moved')
          ? reply(307, { location: `${seen.target}${seen.target.includes('?') ? '&' : '?'}moved=1` })
          : undefined,
    }),
  },
  {
    name: 'redirects the bytes of an upload with 308',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.4.9',
    start: () => ({
      before: (seen) =>
        isUpload(seen) && seen.method === 'PATCH' && !seen.url.searchParams.has('moved')
          ? reply(308, { location: `${seen.target}&moved=1` })
          : undefined,
    }),
  },
  {
    name: 'loses the first upload',
    source: 'https://github.com/distribution/distribution/issues/2225',
    start: () => {
      const first = firstOfEach(1);
      return {
        before: (seen, { uploads }) => {
          if (isUpload(seen) && seen.method === 'PATCH' && first('PATCH')) {
            uploads.delete(seen.rest.slice('uploads/'.length));
            return fail(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
          }
          return undefined;
        },
      };
    },
  },
  {
    name: 'stores a blob but answers 504',
    source: 'https://github.com/distribution/distribution/issues/1013',
    start: () => {
      const first = firstOfEach(1);
      return {
        after: (seen, answer) =>
          isUpload(seen) && seen.method === 'PUT' && answer.status === 201 && first('PUT')
            ? page(504, '504 Gateway Time-out')
            : answer,
      };
    },
  },
  {
    name: 'answers that an upload is unknown after storing its blob',
    source: 'https://github.com/distribution/distribution/issues/2225',
    start: () => ({
      after: (seen, answer) =>
        isUpload(seen) && seen.method === 'PUT' && answer.status === 201
          ? fail(404, 'BLOB_UPLOAD_UNKNOWN')
          : answer,
    }),
  },
  {
    name: 'does not report the progress of an upload',
    source: 'https://github.com/artifact-keeper/artifact-keeper/issues/3275',
    start: () => {
      const first = firstOfEach(1);
      return {
        before: (seen) => {
          if (!isUpload(seen)) return undefined;
          if (seen.method === 'PATCH' && first('PATCH')) return reply(502);
          return seen.method === 'GET' ? fail(405, 'UNSUPPORTED') : undefined;
        },
      };
    },
  },
  {
    name: 'reports the progress of an upload with its unit',
    needsLargeBlobs: true,
    source: 'https://github.com/distribution/distribution/blob/v2.8.3/docs/spec/api.md#upload-progress',
    start: () => {
      const first = firstOfEach(1);
      return {
        before: (seen) => {
          if (seen.method !== 'PATCH' || sizeOf(seen) < 1024 * 1024 || !first('PATCH')) return undefined;
          seen.request.once('data', () => setTimeout(() => seen.request.socket.destroy(), 5));
          return undefined;
        },
        after: (_, answer) =>
          typeof answer.headers.range === 'string'
            ? withHeaders(answer, { range: `bytes=${answer.headers.range}` })
            : answer,
      };
    },
  },
  {
    name: 'is over its quota, and reports how much is left',
    source: 'https://github.com/goharbor/harbor/blob/main/src/server/middleware/quota/quota.go',
    outcome: {
      error: { code: 'REGISTRY_UNAUTHORIZED', says: /DENIED: adding 6\.0 MiB .* quota: \{"left":0\}/ },
    },
    start: () => ({
      before: (seen) =>
        isUpload(seen) && seen.method === 'PATCH'
          ? fail(403, 'DENIED', 'adding 6.0 MiB of storage resource would exceed the configured quota', {
              left: 0,
            })
          : undefined,
    }),
  },
  {
    name: 'does not create repositories on push, like ECR',
    source: 'https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-create.html',
    outcome: {
      error: { code: 'REGISTRY_NOT_FOUND', says: /NAME_UNKNOWN: The repository .* does not exist/ },
    },
    start: () => ({
      before: (seen) =>
        seen.kind === '' || seen.isToken
          ? undefined
          : fail(404, 'NAME_UNKNOWN', `The repository with name '${seen.repository}' does not exist`),
    }),
  },
  {
    name: 'rate-limits pushes with 403',
    source: 'https://github.com/markrussinovich/refchecker/pull/67',
    start: () => {
      const first = firstOfEach(2);
      return {
        before: (seen) =>
          isUpload(seen) && seen.method === 'POST' && first('POST')
            ? json(403, { message: 'You have exceeded a secondary rate limit' })
            : undefined,
      };
    },
  },
];
