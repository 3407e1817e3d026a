import type { FakeRegistryOptions } from './behavior.ts';
import { bodyOf, fail, json, type Reply, reply, type Seen } from './exchange.ts';
import { type RegistryState, sha256 } from './state.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';

export function readBlob(
  { method, url, repository, rest }: Seen,
  { lie }: FakeRegistryOptions,
  state: RegistryState,
): Reply {
  const content = state.links.has(`${repository} ${rest}`) ? state.blobs.get(rest) : undefined;
  if (content === undefined) return fail(404, 'BLOB_UNKNOWN');
  const sent = method === 'GET' ? (lie?.(url.pathname, content) ?? content) : content;
  return reply(200, { 'content-length': String(sent.length), 'docker-content-digest': rest }, sent);
}

export function readManifest(
  { method, repository, rest }: Seen,
  { lie, entityTags }: FakeRegistryOptions,
  { tags, manifests }: RegistryState,
): Reply {
  const digest = rest.includes(':') ? rest : tags.get(`${repository}:${rest}`);
  const stored = manifests.get(`${repository}@${digest}`);
  if (digest === undefined || stored === undefined) return fail(404, 'MANIFEST_UNKNOWN');
  const { bytes, mediaType } = stored;
  const sent = method === 'GET' ? (lie?.(`/v2/${repository}/manifests/${rest}`, bytes) ?? bytes) : bytes;
  const headers = {
    'content-type': mediaType,
    'content-length': String(sent.length),
    'docker-content-digest': digest,
    ...(entityTags && { etag: `"${digest}"` }),
  };
  return reply(200, headers, sent);
}

/** Accepts a manifest if everything that it references exists, and creates the tags that come with it. */
export async function putManifest(
  seen: Seen,
  options: FakeRegistryOptions,
  { tags, tagMoves, manifests, links }: RegistryState,
): Promise<Reply> {
  const { url, repository, rest, headers } = seen;
  const bytes = await bodyOf(seen);
  const digest = sha256(bytes);
  const byDigest = rest.includes(':');
  if (byDigest && rest !== digest) return fail(400, 'DIGEST_INVALID');
  if (options.entityTags && headers['if-match'] !== undefined) {
    const named =
      tags.get(`${repository}:${rest}`) ?? (manifests.has(`${repository}@${rest}`) ? rest : undefined);
    if (headers['if-match'] !== `"${named}"`) return fail(412, 'DENIED', 'the entity tag does not match');
  }
  const content = JSON.parse(bytes.toString('utf8'));
  const needed: readonly { readonly digest: string }[] = [content.config ?? [], content.layers ?? []].flat();
  const missing = needed.find((each) => !links.has(`${repository} ${each.digest}`));
  if (missing !== undefined) return fail(404, 'MANIFEST_BLOB_UNKNOWN', `blob ${missing.digest} unknown`);
  for (const child of content.manifests ?? []) {
    if (!manifests.has(`${repository}@${child.digest}`))
      return fail(404, 'MANIFEST_BLOB_UNKNOWN', `manifest ${child.digest} unknown`);
  }
  manifests.set(`${repository}@${digest}`, { bytes, mediaType: headers['content-type'] ?? '' });
  const asked = options.tagsByDigest ? url.searchParams.getAll('tag') : [];
  const made = byDigest ? asked : [rest];
  for (const tag of made) {
    tags.set(`${repository}:${tag}`, digest);
    tagMoves.push([`${repository}:${tag}`, digest]);
  }
  return reply(201, {
    location: `/v2/${repository}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...(byDigest && made.length > 0 && { 'oci-tag': made.join(', ') }),
    ...(options.referrers && content.subject && { 'oci-subject': content.subject.digest }),
  });
}

export function listTags({ url, repository }: Seen, { tags, manifests }: RegistryState): Reply {
  const all = [...tags.keys()]
    .filter((key) => key.startsWith(`${repository}:`))
    .map((key) => key.slice(repository.length + 1))
    .sort();
  if (all.length === 0 && ![...manifests.keys()].some((key) => key.startsWith(`${repository}@`)))
    return fail(404, 'NAME_UNKNOWN');
  const most = Math.min(Number(url.searchParams.get('n') ?? 100), 100);
  const last = url.searchParams.get('last');
  const left = last === null ? all : all.filter((tag) => tag > last);
  const page = left.slice(0, most);
  const next = `</v2/${repository}/tags/list?n=${most}&last=${page.at(-1)}>; rel="next"`;
  return json(200, { name: repository, tags: page }, left.length > most ? { link: next } : {});
}

export function listReferrers({ repository, rest }: Seen, { manifests }: RegistryState): Reply {
  const found = [...manifests].flatMap(([key, { bytes, mediaType }]) => {
    const content = JSON.parse(bytes.toString('utf8'));
    if (!key.startsWith(`${repository}@`) || content.subject?.digest !== rest) return [];
    const artifactType = content.artifactType ?? content.config?.mediaType;
    return [{ mediaType, digest: sha256(bytes), size: bytes.length, artifactType }];
  });
  const body = { schemaVersion: 2, mediaType: INDEX, manifests: found };
  return json(200, body, { 'content-type': INDEX });
}
