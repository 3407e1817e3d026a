import { fail, json, type Reply, reply, type Seen } from '../fake-registry/exchange.ts';
import { type Quirk, withHeaders, withoutHeaders } from './quirk.ts';

// A client that only copies images does not list tags.
const NEEDS_ALL_TAGS =
  'without all tags, the highest version, which `latest` follows, is unknown (`--tag-latest=never` does not need them)';

const isTagList = ({ kind, rest }: Seen): boolean => kind === 'tags' && rest === 'list';

/** Rewrites the link to the next page of tags. */
const relinked =
  (change: (target: string, seen: Seen) => string): Quirk['start'] =>
  () => ({
    after: (seen, given) => {
      const target = /^<([^>]*)>/.exec(String(given.headers.link ?? ''))?.[1];
      return isTagList(seen) && target !== undefined
        ? withHeaders(given, { link: change(target, seen) })
        : given;
    },
  });

/** Changes the body of a tag list. */
const retagged =
  (change: (tags: readonly string[]) => unknown): Quirk['start'] =>
  () => ({
    after: (seen, given) => {
      if (!isTagList(seen) || given.status !== 200) return given;
      const body = JSON.stringify({
        name: seen.repository,
        tags: change(JSON.parse(String(given.body)).tags),
      });
      return { ...given, body };
    },
  });

/** A registry without the referrers API, with its answer to requests for it. */
const noReferrers = (answer: (seen: Seen) => Reply): Pick<Quirk, 'options' | 'outcome' | 'start'> => ({
  options: { referrers: false },
  outcome: { attachment: 'tag' },
  start: () => ({ before: (seen) => (seen.kind === 'referrers' ? answer(seen) : undefined) }),
});

const INDEX = 'application/vnd.oci.image.index.v1+json';

/** Quirks in how registries list tags. The repository has more than one page of them. */
export const TAG_QUIRKS: readonly Quirk[] = [
  {
    name: 'omits its prefix in the link to the next page of tags, as Artifactory does',
    source: 'https://github.com/renovatebot/renovate/pull/20745',
    start: relinked((target) => `<${target.replace('/v2/owner/app', '/v2/app')}>; rel="next"`),
  },
  {
    name: 'gives its internal path in the link to the next page, as Nexus does',
    source: 'https://github.com/sonatype/nexus-public/issues/1011',
    start: relinked(
      (target, { headers }) => `<http://${headers.host}/repository/docker${target}>; rel="next"`,
    ),
  },
  {
    name: 'gives its internal host in the link to the next page',
    source: 'https://github.com/distribution/distribution/issues/970',
    start: relinked((target) => `<http://registry:5000${target}>; rel="next"`),
  },
  {
    name: 'gives the link to the next page as only a query',
    source: 'https://www.rfc-editor.org/rfc/rfc8288#section-3.1',
    start: relinked((target) => `<${target.replace(/^[^?]*/, '')}>;rel=next`),
  },
  {
    name: 'links to other pages before the next one',
    source: 'https://www.rfc-editor.org/rfc/rfc8288#section-3.5',
    start: relinked(
      (target) =>
        `<${target}&first=1>; rel="first"; title="a, b; rel=next", <${target}>; title="x"; rel="last next"`,
    ),
  },
  {
    name: 'answers 404 for a later page of tags',
    source: 'https://github.com/renovatebot/renovate/issues/15030',
    outcome: { error: { code: 'REGISTRY_RESPONSE', says: /page 2 of the tags/, why: NEEDS_ALL_TAGS } },
    start: () => ({
      before: (seen) =>
        isTagList(seen) && seen.url.searchParams.has('last') ? fail(404, 'NAME_UNKNOWN') : undefined,
    }),
  },
  {
    name: 'links the pages of tags in an endless loop',
    source: 'https://github.com/gadievron/raptor/pull/495',
    outcome: {
      error: { code: 'REGISTRY_RESPONSE', says: /links back to an earlier page/, why: NEEDS_ALL_TAGS },
    },
    start: relinked((target) => `<${target.replace(/last=[^&]*/, 'last=a')}>; rel="next"`),
  },
  {
    name: 'truncates the tags to the requested page size, with no link to the rest',
    source: 'https://github.com/renovatebot/renovate/issues/15080',
    start: () => ({
      before: (seen, { tags, manifests }) => {
        if (!isTagList(seen)) return undefined;
        const { repository, url } = seen;
        const all = [...tags.keys()]
          .filter((key) => key.startsWith(`${repository}:`))
          .map((key) => key.slice(repository.length + 1))
          .sort();
        if (all.length === 0 && manifests.size === 0) return fail(404, 'NAME_UNKNOWN');
        const last = url.searchParams.get('last');
        const left = last === null ? all : all.filter((tag) => tag > last);
        return json(200, { name: repository, tags: left.slice(0, Number(url.searchParams.get('n'))) });
      },
    }),
  },
  {
    name: 'refuses to list that many tags per page',
    source: 'https://github.com/distribution/distribution/blob/v2.8.3/docs/spec/api.md#pagination-1',
    start: () => ({
      before: (seen) =>
        isTagList(seen) && Number(seen.url.searchParams.get('n')) > 100
          ? fail(400, 'PAGINATION_NUMBER_INVALID', 'invalid number of results requested')
          : undefined,
    }),
  },
  {
    name: 'checks the number of tags per page before it looks for the repository',
    source: 'https://github.com/distribution/distribution/blob/main/registry/handlers/tags.go',
    start: () => ({
      // Hidden until something is pushed: the first publish gets this refusal, and then 404.
      before: (seen, { tags, tagMoves }) => {
        if (!isTagList(seen)) return undefined;
        if (tagMoves.length === 0) tags.clear();
        return Number(seen.url.searchParams.get('n')) > 100
          ? fail(400, 'PAGINATION_NUMBER_INVALID', 'invalid number of results requested')
          : tagMoves.length === 0
            ? fail(404, 'NAME_UNKNOWN')
            : undefined;
      },
    }),
  },
  {
    name: 'lists null and invalid names among the tags, as Nexus does',
    source: 'https://github.com/containers/skopeo/issues/2409',
    start: retagged((tags) => [null, '', 'not a tag', ...tags, null]),
  },
  {
    name: 'repeats tags, in no particular order',
    source: 'https://github.com/gadievron/raptor/pull/495',
    start: retagged((tags) => [...tags.toReversed(), ...tags]),
  },
  {
    name: 'gives an array instead of an object for its tags',
    source: 'https://github.com/distribution/distribution/issues/1186',
    outcome: { error: { code: 'REGISTRY_RESPONSE', says: /expected a list of tags/, why: NEEDS_ALL_TAGS } },
    start: () => ({ after: (seen, given) => (isTagList(seen) ? json(200, ['a']) : given) }),
  },
  {
    name: 'gives an object instead of the list of tags',
    source: 'https://github.com/distribution/distribution/issues/1186',
    outcome: { error: { code: 'REGISTRY_RESPONSE', says: /expected a list of tags/, why: NEEDS_ALL_TAGS } },
    start: () => ({ after: (seen, given) => (isTagList(seen) ? json(200, { tags: { a: 1 } }) : given) }),
  },
];

/** Quirks in how registries list what refers to an image. */
export const REFERRERS_QUIRKS: readonly Quirk[] = [
  {
    name: 'answers the referrers API with 404',
    source:
      'https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#unavailable-referrers-api',
    ...noReferrers(() => fail(404, 'NOT_FOUND')),
  },
  {
    name: 'answers the referrers API with 400',
    source: 'https://github.com/quay/quay/pull/3071',
    ...noReferrers(() => fail(400, 'MANIFEST_INVALID')),
  },
  {
    name: 'answers the referrers API with 401 and no challenge, as Harbor did',
    source: 'https://github.com/goharbor/harbor/issues/18305',
    ...noReferrers(() => fail(401, 'UNAUTHORIZED')),
  },
  {
    name: 'answers the referrers API with 403',
    source: 'https://github.com/goharbor/harbor/issues/18418',
    ...noReferrers(() => fail(403, 'DENIED')),
  },
  {
    name: 'answers the referrers API with 405',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6',
    ...noReferrers(() => fail(405, 'UNSUPPORTED')),
  },
  {
    name: 'answers the referrers API with 406, as Artifactory did',
    source: 'https://github.com/google/go-containerregistry/issues/1962',
    ...noReferrers(() => reply(406)),
  },
  {
    name: 'answers the referrers API with 501',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.6.2',
    ...noReferrers(() => fail(501, 'UNSUPPORTED')),
  },
  {
    name: 'answers the referrers API with an HTML page',
    source:
      'https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#unavailable-referrers-api',
    ...noReferrers(() => reply(200, { 'content-type': 'text/html' }, '<html><title>Registry</title></html>')),
  },
  {
    name: 'redirects the referrers API to another site, as GHCR does',
    source: 'https://github.com/artifacthub/hub/issues/4785',
    ...noReferrers(() => reply(303, { location: 'https://elsewhere.invalid/-/v2/packages' })),
  },
  {
    name: 'supports If-Match for tags, and has no referrers API',
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1',
    ...noReferrers(() => fail(404, 'NOT_FOUND')),
    options: { referrers: false, entityTags: true },
  },
  {
    name: 'treats the tag sha256-… as the digest, as GitLab does',
    source: 'https://github.com/oras-project/oras-go/issues/1396',
    options: { referrers: false },
    outcome: { attachment: 'unlisted' },
    start: () => ({
      after: (seen, given, { manifests }) => {
        const digest = /^sha256-([0-9a-f]{64})$/.exec(seen.rest)?.[1];
        const stored = manifests.get(`${seen.repository}@sha256:${digest}`);
        if (digest === undefined || stored === undefined || seen.method === 'PUT') return given;
        const headers = { 'content-type': stored.mediaType, 'docker-content-digest': `sha256:${digest}` };
        return reply(200, headers, stored.bytes);
      },
    }),
  },
  {
    name: 'lists referrers, but sends no OCI-Subject when it accepts them',
    source: 'https://github.com/opencontainers/distribution-spec/pull/563',
    start: () => ({ after: (_, given) => withoutHeaders(given, 'oci-subject') }),
  },
  {
    name: 'lists referrers only a while after accepting them',
    source: 'https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers',
    start: () => {
      let late = 0;
      return {
        after: (seen, given) => {
          if (given.headers['oci-subject'] !== undefined) late = 5;
          if (seen.kind !== 'referrers' || late === 0) return given;
          late -= 1;
          const none = { schemaVersion: 2, mediaType: INDEX, manifests: [] };
          return json(200, none, { 'content-type': INDEX });
        },
      };
    },
  },
  {
    name: 'serves referrers as application/json, and null if there are none',
    source: 'https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers',
    start: () => ({
      after: (seen, given) => {
        if (seen.kind !== 'referrers') return given;
        const { manifests, ...others } = JSON.parse(String(given.body));
        return json(200, { ...others, manifests: manifests.length === 0 ? null : manifests });
      },
    }),
  },
  {
    name: 'lists referrers with the type of their config, as go-containerregistry does',
    source: 'https://github.com/google/go-containerregistry/blob/v0.20.1/pkg/registry/manifest.go#L435',
    start: () => ({
      after: (seen, given) => {
        if (seen.kind !== 'referrers') return withoutHeaders(given, 'oci-subject');
        const { manifests, ...others } = JSON.parse(String(given.body));
        const artifactType = 'application/vnd.oci.empty.v1+json';
        const listed = manifests.map((each: object) => ({ ...each, artifactType }));
        return json(200, { ...others, manifests: listed }, { 'content-type': INDEX });
      },
    }),
  },
  {
    name: 'lists referrers in pages',
    source: 'https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers',
    start: () => ({
      after: (seen, given) => {
        if (seen.kind !== 'referrers') return withoutHeaders(given, 'oci-subject');
        const { manifests, ...others } = JSON.parse(String(given.body));
        if (!seen.url.searchParams.has('page'))
          return {
            ...withHeaders(given, { link: `<${seen.url.pathname}?page=2>; rel="next"` }),
            body: JSON.stringify({ ...others, manifests: [] }),
          };
        return { ...given, body: JSON.stringify({ ...others, manifests }) };
      },
    }),
  },
  {
    name: 'refuses artifact types that it does not know, as Quay did',
    source: 'https://github.com/aquasecurity/trivy-plugin-referrer/pull/26',
    outcome: { attachment: 'refused' },
    start: () => ({
      after: (seen, given, { manifests }) => {
        const key = `${seen.repository}@${seen.rest}`;
        const stored = manifests.get(key);
        if (seen.method !== 'PUT' || !stored?.bytes.includes('"subject"')) return given;
        manifests.delete(key);
        return fail(400, 'MANIFEST_INVALID', 'manifest invalid', {
          message: 'unknown media type: application/vnd.cyclonedx+json',
        });
      },
    }),
  },
  {
    name: 'refuses the blob of an artifact',
    source: 'https://github.com/goharbor/harbor/issues/17928',
    outcome: { attachment: 'refused' },
    start: () => ({
      before: (seen) =>
        seen.kind === 'blobs' && seen.method === 'PUT' && seen.target.includes('sha256%3A44136fa355b3678a')
          ? fail(415, 'UNSUPPORTED', 'unsupported blob')
          : undefined,
    }),
  },
];
