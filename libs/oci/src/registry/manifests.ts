import { MEDIA_TYPES } from '../descriptor.ts';
import { type Digest, digestOf, isDigest } from '../digest.ts';
import { OciError } from '../errors.ts';
import { parseBoundedJson } from '../layout/bounded-json.ts';
import { isTag } from '../reference.ts';
import type { RepositoryAccess } from './access.ts';
import { notYetThere, saysUnknown } from './presence.ts';
import {
  type Address,
  discard,
  mediaTypeOf,
  type OpenResponse,
  type Operation,
  type RegistryRequest,
  readBounded,
} from './transport/index.ts';

/** A manifest or index as the registry served it; `digest` is computed from these very bytes. */
export interface RegistryManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: Digest;
  /** The entity tag for a tag's content, if the registry sends a strong one. */
  readonly etag: string | undefined;
}

/** The registry's response to a manifest that it accepted. */
export interface PutOutcome {
  /** Whether the registry itself lists the manifest as a referrer of its subject (`OCI-Subject`). */
  readonly listsSubject: boolean;
}

/** Reads and writes the manifests in a repository. */
export interface Manifests {
  /** The digest that a tag or digest points to; undefined if there is none. */
  headManifest(reference: string): Promise<Digest | undefined>;
  /** Throws `REGISTRY_NOT_FOUND`, or `DIGEST_MISMATCH` if the bytes don't match the requested digest. */
  getManifest(reference: string): Promise<RegistryManifest>;
  /** Throws `DIGEST_MISMATCH` if the registry reports that it stored other bytes. */
  putManifest(reference: string, bytes: Uint8Array, mediaType: string): Promise<PutOutcome>;
}

/** The additional manifest requests that tags need. */
export interface ManifestRequests extends Manifests {
  /** Looks once, within an operation, at what a reference points to, without recording it. */
  peek(operation: Operation, reference: string): Promise<Digest | undefined>;
  /** Puts a manifest; responses with a status in `others` are returned. */
  put(
    what: string,
    address: Address,
    manifest: {
      readonly bytes: Uint8Array;
      readonly mediaType: string;
      readonly ifMatch?: string | undefined;
    },
    ...others: readonly number[]
  ): Promise<OpenResponse>;
}

/** The accepted media types of manifests, OCI's and Docker's. */
const MANIFEST_TYPES: readonly string[] = [
  MEDIA_TYPES.index,
  MEDIA_TYPES.manifest,
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const ACCEPT = { accept: MANIFEST_TYPES.join(', ') };
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
// Not 200, which a captive portal returns for anything.
const TAKEN: readonly number[] = [201, 202];

/** The manifests of a repository. Remembers whether the registry refuses HEAD. */
export function openManifests(access: RepositoryAccess): ManifestRequests {
  const { transport, presence, at, label } = access;
  // Learned from the first refusal.
  let refusesHead = false;

  function headManifest(reference: string): Promise<Digest | undefined> {
    const name = label(`manifest ${checkReference(reference)}`);
    return transport.attempt(name, async (operation) => {
      const found = await look(operation, reference);
      if (found === undefined && presence.knows(reference))
        throw notYetThere(`${name}: the registry accepted it but now returns status 404`);
      return found;
    });
  }

  async function look(operation: Operation, reference: string): Promise<Digest | undefined> {
    const found = await peek(operation, reference);
    if (!isDigest(reference)) presence.observe(reference, found);
    else if (found !== undefined) presence.note(reference);
    return found;
  }

  async function peek(operation: Operation, reference: string): Promise<Digest | undefined> {
    if (!refusesHead) {
      const wanted = { method: 'HEAD', address: at(`manifests/${reference}`), headers: ACCEPT } as const;
      const response = await access.send(operation, wanted);
      refusesHead = response.status === 405 || response.status === 501;
      await discard(response);
      if (!refusesHead) {
        await access.expectStatus(operation, response, [200, 404]);
        if (response.status === 404) return undefined;
        const told = response.headers['docker-content-digest'];
        if (told !== undefined && isDigest(told)) return told;
      }
    }
    return (await get(operation, reference))?.digest;
  }

  async function get(operation: Operation, reference: string): Promise<RegistryManifest | undefined> {
    const wanted = { method: 'GET', address: at(`manifests/${reference}`), headers: ACCEPT } as const;
    const response = await access.send(operation, wanted);
    if (response.status === 404) {
      await discard(response);
      return undefined;
    }
    await access.expectStatus(operation, response, [200]);
    const bytes = await readBounded(operation, response, MAX_MANIFEST_BYTES);
    const digest = digestOf(bytes);
    if (isDigest(reference) && digest !== reference) {
      throw new OciError(
        'DIGEST_MISMATCH',
        `${operation.name}: expected content with that digest, found ${digest}`,
      );
    }
    const etag = response.headers.etag;
    const strong = etag?.startsWith('"') ? etag : undefined;
    return { bytes, digest, mediaType: manifestType(response, bytes), etag: strong };
  }

  async function getManifest(reference: string): Promise<RegistryManifest> {
    const name = label(`manifest ${checkReference(reference)}`);
    return transport.attempt(name, async (operation) => {
      const found = await get(operation, reference);
      if (!isDigest(reference)) presence.observe(reference, found?.digest);
      if (found !== undefined) return found;
      const message = `${name}: expected it in the registry, found none (status 404)`;
      throw presence.knows(reference) ? notYetThere(message) : new OciError('REGISTRY_NOT_FOUND', message);
    });
  }

  async function put(
    what: string,
    address: Address,
    manifest: {
      readonly bytes: Uint8Array;
      readonly mediaType: string;
      readonly ifMatch?: string | undefined;
    },
    ...others: readonly number[]
  ): Promise<OpenResponse> {
    const { bytes, mediaType, ifMatch } = manifest;
    const wanted: RegistryRequest = {
      method: 'PUT',
      address,
      headers: {
        'content-type': mediaType,
        'content-length': String(bytes.length),
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
      },
      body: () => bytes,
    };
    const response = await transport.attempt(label(what), async (operation) => {
      const answer = await access.send(operation, wanted);
      if (TAKEN.includes(answer.status) || others.includes(answer.status)) return discard(answer);
      const failure = await access.failure(operation, answer);
      const lags =
        failure instanceof OciError && saysUnknown(failure.refusal?.codes ?? []) && allKnown(bytes);
      throw lags ? notYetThere(failure.message) : failure;
    });
    const told = response.headers['docker-content-digest'];
    const digest = digestOf(bytes);
    if (TAKEN.includes(response.status) && told !== undefined && isDigest(told) && told !== digest) {
      throw new OciError(
        'DIGEST_MISMATCH',
        `${label(what)}: expected the registry to store ${digest}, found ${told}`,
      );
    }
    if (TAKEN.includes(response.status)) presence.note(digest);
    return response;
  }

  // Whether the registry accepted, in this run, everything that a manifest refers to.
  function allKnown(bytes: Uint8Array): boolean {
    const { config, layers = [], manifests = [] } = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return [...(config ? [config] : []), ...layers, ...manifests].every(({ digest }) =>
      presence.knows(digest),
    );
  }

  async function putManifest(reference: string, bytes: Uint8Array, mediaType: string): Promise<PutOutcome> {
    const what = `put manifest ${checkReference(reference)}`;
    const response = await put(what, at(`manifests/${reference}`), { bytes, mediaType });
    return { listsSubject: response.headers['oci-subject'] !== undefined };
  }

  return { headManifest, getManifest, putManifest, peek, put };
}

// Some servers send every manifest with a generic text type: in that case the manifest's own type counts.
function manifestType(response: OpenResponse, bytes: Buffer): string {
  const told = mediaTypeOf(response);
  if (MANIFEST_TYPES.includes(told)) return told;
  try {
    const { mediaType } = parseBoundedJson(bytes.toString('utf8')) as { readonly mediaType?: unknown };
    return typeof mediaType === 'string' ? mediaType : told;
  } catch {
    return told;
  }
}

/** Returns the reference. Throws `INVALID_REFERENCE` if it is neither a tag nor a digest. */
export function checkReference(reference: string): string {
  if (isTag(reference) || isDigest(reference)) return reference;
  throw new OciError(
    'INVALID_REFERENCE',
    `manifest: expected a tag or a digest, found ${JSON.stringify(reference.slice(0, 200))}`,
  );
}
