import type { Digest } from '../digest.ts';
import { digestOf } from '../digest.ts';
import { OciError } from '../errors.ts';
import { parseBoundedJson } from '../layout/bounded-json.ts';
import { isTag } from '../reference.ts';
import type { RepositoryAccess } from './access.ts';
import type { ManifestRequests, RegistryManifest } from './manifests.ts';
import { nextPage } from './pages.ts';
import { notYetThere } from './presence.ts';
import {
  type Address,
  addressText,
  discard,
  type OpenResponse,
  type Operation,
  readBounded,
  withParameter,
} from './transport/index.ts';

/**
 * The outcome for a tag set by this run: it points to what was put; or, after all waiting, it still shows its previous
 * content; or it was moved to something that this run has not seen there.
 */
export type TagOutcome =
  | { readonly state: 'named' }
  | { readonly state: 'lagging' | 'moved'; readonly found: Digest | undefined };

/** Reads and writes the tags in a repository. */
export interface Tags {
  /**
   * All tags; none if the repository does not exist yet. Names that are not valid tags are left out: nobody could
   * request them.
   */
  listTags(): Promise<readonly string[]>;
  /**
   * Points a tag to a manifest. The bytes are put by digest with the tag as a parameter, so that a registry that
   * supports this refuses bytes that changed in transit and leaves the tag alone; a registry that does not support it
   * gets them under the tag's name. Throws `DIGEST_MISMATCH` if the registry reports that it stored other bytes: the
   * tag may then point to those.
   * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
   */
  setTag(tag: string, bytes: Uint8Array, mediaType: string): Promise<void>;
  /**
   * Points a tag to a manifest in place of the one that was read, and returns whether it did: it does not if the
   * registry reports that the tag has moved since.
   */
  replaceTag(
    tag: string,
    bytes: Uint8Array,
    mediaType: string,
    former: RegistryManifest | undefined,
  ): Promise<boolean>;
  /** Reads a tag that was set until it points to `digest`, or is known to have moved, within the usual retry limits. */
  confirmTag(tag: string, digest: Digest): Promise<TagOutcome>;
}

const PAGE_TAGS = 1000;
const REFUSED_NUMBER: readonly number[] = [400, 416, 422];
const MAX_STRANGERS = 2;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const MAX_PAGES = 1000;
const MAX_TAGS = 100_000;
// 100,000 tags of 128 characters, plus the JSON around them.
const MAX_LIST_BYTES = 24 * 1024 * 1024;

/** The tags of a repository. Remembers how the registry creates them. */
export function openTags(access: RepositoryAccess, manifests: ManifestRequests): Tags {
  const { transport, presence, at, label } = access;
  // Learned from the first tag: the registry creates no tags for a manifest that is put by digest.
  let tagsByNameOnly = false;

  function listTags(): Promise<readonly string[]> {
    return transport.attempt(label('list tags'), (operation) => readPages(operation), {
      hold: MAX_LIST_BYTES,
    });
  }

  async function readPages(operation: Operation): Promise<readonly string[]> {
    const tags = new Set<string>();
    const asked = new Set<string>();
    let next: Address | undefined = withParameter(at('tags/list'), 'n', String(PAGE_TAGS));
    while (next !== undefined) {
      if (asked.size === MAX_PAGES || tags.size > MAX_TAGS) {
        throw new OciError(
          'REGISTRY_RESPONSE',
          `${operation.name}: expected at most ${MAX_TAGS} tags on ${MAX_PAGES} pages, found more`,
        );
      }
      if (asked.has(addressText(next)))
        throw new OciError(
          'REGISTRY_RESPONSE',
          `${operation.name}: page ${asked.size} links back to an earlier page`,
        );
      asked.add(addressText(next));
      next = await readPage(operation, next, tags, asked.size);
    }
    return [...tags];
  }

  async function readPage(
    operation: Operation,
    address: Address,
    tags: Set<string>,
    page: number,
  ): Promise<Address | undefined> {
    let response = await access.send(operation, { method: 'GET', address });
    // Servers that allow fewer per page, or no page size at all, respond with one of these, and list all tags without
    // it.
    if (page === 1 && REFUSED_NUMBER.includes(response.status)) {
      await discard(response);
      response = await access.send(operation, { method: 'GET', address: at('tags/list') });
    }
    if (page === 1 && response.status === 404) {
      await discard(response);
      return undefined;
    }
    if (response.status !== 200) throw await pageFailure(operation, response, page);
    const { names, last } = readTags(operation.name, await readBounded(operation, response, MAX_PAGE_BYTES));
    const before = tags.size;
    for (const name of names) tags.add(name);
    const linked = nextPage(operation.name, response.headers.link, at('tags/list').url);
    if (linked !== undefined) return linked;
    // A full page without a link may be truncated: the tags after its last one are requested, and must be new.
    if (names.length !== PAGE_TAGS || tags.size === before || last === undefined) return undefined;
    return withParameter(withParameter(at('tags/list'), 'n', String(PAGE_TAGS)), 'last', last);
  }

  async function pageFailure(operation: Operation, response: OpenResponse, page: number): Promise<unknown> {
    const failure = await access.failure(operation, response);
    if (!(failure instanceof OciError) || page === 1) return failure;
    return new OciError('REGISTRY_RESPONSE', `page ${page} of the tags can't be read: ${failure.message}`, {
      hint: 'Without all tags, the highest version is unknown.',
      refusal: failure.refusal,
    });
  }

  // Records what the tag points to beforehand, so that a registry that keeps showing it a little longer does not seem
  // to have moved it.
  async function observe(tag: string): Promise<void> {
    if (!presence.isObserved(tag)) await manifests.headManifest(tag);
  }

  async function setTag(tag: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    checkTag(tag);
    await observe(tag);
    try {
      await putTag(tag, bytes, mediaType);
    } catch (error) {
      // On registries with immutable tags, a tag that already points to this manifest may not be set again.
      const refused = error instanceof OciError && error.refusal !== undefined;
      if (!refused || (await manifests.headManifest(tag)) !== digestOf(bytes)) throw error;
    }
  }

  async function putTag(tag: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    if (!tagsByNameOnly) {
      const address = withParameter(at(`manifests/${digestOf(bytes)}`), 'tag', tag);
      // 405, 414 and 501 can only be about the URL. Any other refusal may be about the bytes, which are then not sent
      // by name.
      const others = [405, 414, 501];
      const response = await manifests.put(`set tag ${tag}`, address, { bytes, mediaType }, ...others);
      const made = (response.headers['oci-tag'] ?? '').split(',').map((each) => each.trim());
      if (made.includes(tag)) return;
      tagsByNameOnly = true;
    }
    await manifests.put(`set tag ${tag}`, at(`manifests/${tag}`), { bytes, mediaType });
  }

  async function replaceTag(
    tag: string,
    bytes: Uint8Array,
    mediaType: string,
    former: RegistryManifest | undefined,
  ): Promise<boolean> {
    checkTag(tag);
    if (former?.etag === undefined) {
      await setTag(tag, bytes, mediaType);
      return true;
    }
    const manifest = { bytes, mediaType, ifMatch: former.etag };
    const response = await manifests.put(`set tag ${tag}`, at(`manifests/${tag}`), manifest, 412);
    return response.status !== 412;
  }

  async function confirmTag(tag: string, digest: Digest): Promise<TagOutcome> {
    checkTag(tag);
    const name = label(`tag ${tag}`);
    let strangers = 0;
    let outcome: TagOutcome | undefined;
    try {
      await transport.attempt(name, async (operation) => {
        outcome = undefined;
        const found = await manifests.peek(operation, tag);
        outcome = judge(tag, digest, found);
        if (outcome.state === 'named') return;
        // Seen once, it may be what the tag pointed to long ago, from a server that is far behind.
        strangers += outcome.state === 'moved' ? 1 : 0;
        if (strangers === MAX_STRANGERS) return;
        throw notYetThere(`${name}: expected it to point to ${digest}, found ${found ?? 'nothing'}`);
      });
    } catch (error) {
      // A failure other than waiting for the tag.
      if (outcome === undefined) throw error;
    }
    return outcome ?? { state: 'lagging', found: undefined };
  }

  function judge(tag: string, digest: Digest, found: Digest | undefined): TagOutcome {
    if (found === digest) return { state: 'named' };
    return { state: presence.wasSeen(tag, found) ? 'lagging' : 'moved', found };
  }

  return { listTags, setTag, replaceTag, confirmTag };
}

function checkTag(tag: string): void {
  if (isTag(tag)) return;
  throw new OciError(
    'INVALID_REFERENCE',
    `set tag: expected a tag, found ${JSON.stringify(tag.slice(0, 200))}`,
  );
}

/**
 * The tags on a page, and the last entry unchanged. Throws `REGISTRY_RESPONSE` for anything other than a list of
 * strings.
 */
export function readTags(
  operation: string,
  body: Buffer,
): { readonly names: readonly string[]; readonly last: string | undefined } {
  let parsed: unknown;
  try {
    parsed = parseBoundedJson(body.toString('utf8'));
  } catch (cause) {
    throw new OciError('REGISTRY_RESPONSE', `${operation}: expected JSON, found something else`, { cause });
  }
  const wrong = new OciError(
    'REGISTRY_RESPONSE',
    `${operation}: expected a list of tags, found something else`,
  );
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw wrong;
  const tags = (parsed as { readonly tags?: unknown }).tags ?? [];
  if (!Array.isArray(tags)) throw wrong;
  // Nexus has been seen to include null: https://github.com/containers/skopeo/issues/2409
  const texts = tags.filter((tag) => tag !== null);
  if (!texts.every((tag) => typeof tag === 'string')) throw wrong;
  return { names: texts.filter(isTag), last: texts.at(-1) };
}
