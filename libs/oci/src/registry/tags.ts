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
 * What a tag of this run came to: it names what was put; or it still shows what it named before, after all waiting; or it
 * was moved to something else, which is nothing that this run has seen there.
 */
export type TagOutcome =
  | { readonly state: 'named' }
  | { readonly state: 'lagging' | 'moved'; readonly found: Digest | undefined };

/** Reads and writes the tags of a repository. */
export interface Tags {
  /**
   * All tags; none where the repository does not exist yet. Names that no tag can have are left out: nobody can ask for
   * them.
   */
  listTags(): Promise<readonly string[]>;
  /**
   * Makes a tag name a manifest. The bytes are put by digest with the tag as a parameter, so that a registry that
   * knows it refuses bytes that changed on the way and leaves the tag; one that does not gets them by the tag's name.
   * Throws `DIGEST_MISMATCH` where the registry says that it took other bytes: the tag may then name those.
   * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
   */
  setTag(tag: string, bytes: Uint8Array, mediaType: string): Promise<void>;
  /**
   * Makes a tag name a manifest in the place of the one that was read, and says whether it did: not where the registry
   * knows that the tag has moved since.
   */
  replaceTag(
    tag: string,
    bytes: Uint8Array,
    mediaType: string,
    former: RegistryManifest | undefined,
  ): Promise<boolean>;
  /** Looks until a tag that was set names `digest`, or is known to have moved, within the limits of every retry. */
  confirmTag(tag: string, digest: Digest): Promise<TagOutcome>;
}

const PAGE_TAGS = 1000;
const REFUSED_NUMBER: readonly number[] = [400, 416, 422];
const MAX_STRANGERS = 2;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const MAX_PAGES = 1000;
const MAX_TAGS = 100_000;
// 100,000 tags of 128 characters, and what is around them.
const MAX_LIST_BYTES = 24 * 1024 * 1024;

export function openTags(access: RepositoryAccess, manifests: ManifestRequests): Tags {
  const { transport, presence, at, label } = access;
  // Learnt with the first tag: the registry makes no tags of a manifest that is put by digest.
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
          `${operation.name}: page ${asked.size} leads back to an earlier one`,
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
    // Servers that allow fewer a page, or no number of them, say so with one of these, and list them all unasked.
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
    // A full page without a link may be cut: what comes after its last tag is asked for, and must be new.
    if (names.length !== PAGE_TAGS || tags.size === before || last === undefined) return undefined;
    return withParameter(withParameter(at('tags/list'), 'n', String(PAGE_TAGS)), 'last', last);
  }

  async function pageFailure(operation: Operation, response: OpenResponse, page: number): Promise<unknown> {
    const failure = await access.failure(operation, response);
    if (!(failure instanceof OciError) || page === 1) return failure;
    return new OciError('REGISTRY_RESPONSE', `page ${page} of the tags can't be read: ${failure.message}`, {
      hint: 'Without all tags it is unknown which version is the highest.',
      refusal: failure.refusal,
    });
  }

  // What the tag names before, so that a registry that shows it a little longer is not taken for one that moved it.
  async function observe(tag: string): Promise<void> {
    if (!presence.isObserved(tag)) await manifests.headManifest(tag);
  }

  async function setTag(tag: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    checkTag(tag);
    await observe(tag);
    try {
      await putTag(tag, bytes, mediaType);
    } catch (error) {
      // Where tags are never moved, one that names this already may not be made again.
      const refused = error instanceof OciError && error.refusal !== undefined;
      if (!refused || (await manifests.headManifest(tag)) !== digestOf(bytes)) throw error;
    }
  }

  async function putTag(tag: string, bytes: Uint8Array, mediaType: string): Promise<void> {
    if (!tagsByNameOnly) {
      const address = withParameter(at(`manifests/${digestOf(bytes)}`), 'tag', tag);
      // 405, 414 and 501 can only be about the URL. Any other refusal may be of the bytes: those are not sent by name.
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
        // Seen once, it may be what the tag named long ago, from a server that is far behind.
        strangers += outcome.state === 'moved' ? 1 : 0;
        if (strangers === MAX_STRANGERS) return;
        throw notYetThere(`${name}: expected it to name ${digest}, found ${found ?? 'nothing'}`);
      });
    } catch (error) {
      // Another failure than the wait for the tag.
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

/** The tags of a page, and the last entry as it came. Throws `REGISTRY_RESPONSE` for anything but a list of texts. */
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
  // Nexus has been seen to put null among them: https://github.com/containers/skopeo/issues/2409
  const texts = tags.filter((tag) => tag !== null);
  if (!texts.every((tag) => typeof tag === 'string')) throw wrong;
  return { names: texts.filter(isTag), last: texts.at(-1) };
}
