import { randomUUID } from 'node:crypto';
import type { FakeRegistryOptions } from './behavior.ts';
import { fail, type Reply, reply, type Seen } from './exchange.ts';
import { type RegistryState, sha256 } from './state.ts';

/** Handles chunked uploads, and mounts. Returns undefined if the request broke off, with nobody left to answer. */
export async function upload(
  seen: Seen,
  options: FakeRegistryOptions,
  state: RegistryState,
): Promise<Reply | undefined> {
  const { method, url, repository } = seen;
  const { uploads, blobs, links } = state;
  const id = seen.rest.slice('uploads/'.length);
  if (method === 'POST') return begin(seen, state);
  const kept = uploads.get(id);
  if (kept === undefined) return fail(404, 'BLOB_UPLOAD_UNKNOWN');
  const refused = refuseUrl(seen, options, kept.length);
  if (refused !== undefined) return refused;
  if (method === 'GET') return reply(204, position(seen, state, id));
  if (method === 'DELETE') {
    uploads.delete(id);
    return reply(204);
  }
  const begun = /^(\d+)-/.exec(seen.headers['content-range'] ?? '')?.[1];
  if (begun !== undefined && Number(begun) !== kept.length) return reply(416, position(seen, state, id));
  if (!(await receive(seen, uploads, id))) return undefined;
  if (method === 'PATCH') return reply(202, position(seen, state, id));
  const digest = url.searchParams.get('digest') ?? '';
  const content = Buffer.concat(uploads.get(id)?.chunks ?? []);
  if (sha256(content) !== digest)
    return fail(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
  uploads.delete(id);
  blobs.set(digest, content);
  links.add(`${repository} ${digest}`);
  return reply(201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest });
}

function begin(seen: Seen, state: RegistryState): Reply {
  const { url, repository } = seen;
  const mount = url.searchParams.get('mount');
  if (mount !== null && state.links.has(`${url.searchParams.get('from')} ${mount}`)) {
    state.links.add(`${repository} ${mount}`);
    return reply(201, { location: `/v2/${repository}/blobs/${mount}` });
  }
  const session = randomUUID();
  state.uploads.set(session, { length: 0, chunks: [] });
  return reply(202, position(seen, state, session));
}

function refuseUrl({ method, url }: Seen, options: FakeRegistryOptions, length: number): Reply | undefined {
  const { uploadUrls = 'lasting' } = options;
  if (uploadUrls === 'lasting' || Number(url.searchParams.get('offset')) === length) return undefined;
  if (uploadUrls === 'at-offset-only') return fail(404, 'BLOB_UPLOAD_INVALID');
  return method === 'GET' ? undefined : fail(416, 'RANGE_INVALID');
}

/** The location and progress of an upload. */
function position({ repository }: Seen, { uploads }: RegistryState, id: string): Reply['headers'] {
  const length = uploads.get(id)?.length ?? 0;
  return {
    location: `/v2/${repository}/blobs/uploads/${id}?state=secret&offset=${length}`,
    range: `0-${Math.max(0, length - 1)}`,
  };
}

// Bytes that arrive before a connection breaks are kept, as in real registries.
async function receive({ request }: Seen, uploads: RegistryState['uploads'], id: string): Promise<boolean> {
  request.on('data', (chunk) => {
    const before = uploads.get(id);
    if (before === undefined) return;
    before.length += chunk.length;
    before.chunks.push(chunk);
  });
  await new Promise<void>((resolve) =>
    request
      .once('end', resolve)
      .once('close', resolve)
      .once('error', () => resolve()),
  );
  return request.complete;
}
