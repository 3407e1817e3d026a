import type { Digest } from '../../digest.ts';
import { OciError } from '../../errors.ts';
import type { RepositoryAccess } from '../access.ts';
import { parseScopes } from '../scopes.ts';
import {
  type Address,
  discard,
  type OpenResponse,
  type Operation,
  redactUrl,
  TransientFailure,
} from '../transport/index.ts';

/** An open upload: its URL, its offset, and the minimum size of a chunk other than the last. */
export interface UploadSession {
  readonly address: Address;
  readonly offset: number;
  readonly minChunk: number;
}

/** Begins uploads, queries their progress, and cancels them. */
export interface UploadSessions {
  /** `mounted` if the registry took the blob from the repository `mountFrom`. */
  begin(
    operation: Operation,
    digest: Digest,
    mountFrom: string | undefined,
  ): Promise<UploadSession | 'mounted'>;
  /** The progress of an upload; undefined if the registry no longer knows the upload, or does not say. */
  progress(operation: Operation, session: UploadSession): Promise<UploadSession | undefined>;
  /** Where an upload continues after a response; at the same place if the response does not say. */
  next(operation: Operation, response: OpenResponse, session: UploadSession): UploadSession;
  cancel(operation: Operation, address: Address): Promise<void>;
}

const EMPTY = { 'content-length': '0' };

/** The upload sessions of a repository. Remembers whether the registry refuses to mount blobs. */
export function openSessions(access: RepositoryAccess): UploadSessions {
  const { transport, at } = access;
  // Learned from the first refusal: mounting only saves bytes, and no release fails because of it.
  let refusesMounts = false;

  function next(operation: Operation, response: OpenResponse, session: UploadSession): UploadSession {
    const { location, 'oci-chunk-min-length': told } = response.headers;
    const minChunk = /^\d{1,12}$/.test(told ?? '') ? Number(told) : session.minChunk;
    if (location === undefined) return { ...session, minChunk };
    return {
      ...session,
      minChunk,
      address: transport.follow(operation, 'Location', location, response.address.url),
    };
  }

  async function begin(
    operation: Operation,
    digest: Digest,
    mountFrom: string | undefined,
  ): Promise<UploadSession | 'mounted'> {
    if (mountFrom !== undefined && !refusesMounts) {
      const begun = await mount(operation, digest, mountFrom);
      if (begun !== undefined) return begun;
    }
    const response = await access.send(operation, {
      method: 'POST',
      address: at('blobs/uploads/'),
      headers: EMPTY,
    });
    return opened(operation, await access.expectStatus(operation, response, [201, 202]));
  }

  /** Undefined if the registry refuses, with any status. */
  async function mount(
    operation: Operation,
    digest: Digest,
    from: string,
  ): Promise<UploadSession | 'mounted' | undefined> {
    const address = at(`blobs/uploads/?mount=${digest}&from=${encodeURIComponent(from)}`);
    const read = parseScopes(`repository:${from}:pull`);
    let response: OpenResponse;
    try {
      response = await access.send(operation, { method: 'POST', address, headers: EMPTY }, read);
    } catch (error) {
      // A token for the other repository was refused.
      if (!(error instanceof OciError) || error.refusal === undefined) throw error;
      refusesMounts = true;
      return undefined;
    }
    if (response.status === 202) return opened(operation, response);
    if (response.status === 201) {
      await discard(response);
      return 'mounted';
    }
    const failure = await access.failure(operation, response);
    if (failure instanceof TransientFailure) throw failure;
    refusesMounts = true;
    return undefined;
  }

  async function opened(operation: Operation, response: OpenResponse): Promise<UploadSession> {
    await discard(response);
    if (response.headers.location !== undefined)
      return next(operation, response, { address: response.address, offset: 0, minChunk: 0 });
    throw new OciError(
      'REGISTRY_RESPONSE',
      `${operation.name}: ${redactUrl(response.address.url)}: expected a Location header, found none`,
    );
  }

  // https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks
  async function progress(operation: Operation, session: UploadSession): Promise<UploadSession | undefined> {
    const response = await access.send(operation, { method: 'GET', address: session.address });
    if (response.status >= 400) {
      const failure = await access.failure(operation, response);
      if (failure instanceof TransientFailure) throw failure;
      return undefined;
    }
    await discard(response);
    const last = /^(?:bytes[= ])?0-(\d{1,15})$/.exec(response.headers.range ?? '')?.[1];
    if (last === undefined) return undefined;
    // Registries return "0-0" both for one byte and for none.
    const offset = last === '0' ? 0 : Number(last) + 1;
    return { ...next(operation, response, session), offset };
  }

  // The registry eventually removes abandoned uploads itself; this only speeds it up, so it fails silently.
  async function cancel(operation: Operation, address: Address): Promise<void> {
    const end = async (at: Address): Promise<boolean> => {
      const response = await discard(await access.send(operation, { method: 'DELETE', address: at }));
      return response.status < 400;
    };
    try {
      if (await end(address)) return;
      // An upload that has received bytes since then may have to be canceled by its new URL.
      const current = await progress(operation, { address, offset: 0, minChunk: 0 });
      if (current !== undefined && current.address.target !== address.target) await end(current.address);
    } catch {}
  }

  return { begin, progress, next, cancel };
}
