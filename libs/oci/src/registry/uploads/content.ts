import type { Descriptor } from '../../descriptor.ts';
import { OciError } from '../../errors.ts';
import type { RepositoryAccess } from '../access.ts';
import { notYetThere } from '../presence.ts';
import {
  discard,
  type OpenResponse,
  type Operation,
  TransientFailure,
  withParameter,
} from '../transport/index.ts';
import type { UploadSession, UploadSessions } from './session.ts';

/** The content of an upload. */
export interface UploadContent {
  readonly descriptor: Descriptor;
  readonly open: (offset: number) => AsyncIterable<Uint8Array>;
  /** Called with the number of bytes before they are sent. */
  readonly count: (bytes: number) => void;
}

/** Sends the content of uploads. */
export interface UploadSender {
  /**
   * Sends the missing part of an upload: everything in one request at first, or in chunks if it resumes partway or if
   * requests turned out to be limited in size. Returns the upload's new state, or `complete` if the blob was stored
   * along the way.
   */
  sendContent(
    operation: Operation,
    session: UploadSession,
    content: UploadContent,
  ): Promise<UploadSession | 'complete'>;
}

// GHCR refuses larger requests with a Content-Range: https://github.com/wasmCloud/wash-archive/issues/268
const RESUMED_CHUNK = 4 * 1024 * 1024;
// The sizes to try if a request was too large for something along the way: below what Cloudflare allows, below what
// administrators commonly set in nginx, and down to nginx's default.
const SMALLER = [64, 16, 4, 1, 0.5].map((mebibytes) => mebibytes * 1024 * 1024);
const TAKEN: readonly number[] = [201, 202, 204];

/** Sends content to a repository. Remembers the size of requests and the methods that the registry refuses. */
export function openSender(access: RepositoryAccess, sessions: UploadSessions): UploadSender {
  let limit: number | undefined;
  let refusesPatch = false;

  async function sendContent(
    operation: Operation,
    begun: UploadSession,
    content: UploadContent,
  ): Promise<UploadSession | 'complete'> {
    const { size } = content.descriptor;
    let session = begun;
    if (size === 0 || session.offset >= size) return session;
    if (refusesPatch && session.offset === 0) return putWhole(operation, session, content);
    while (session.offset < size) {
      const length = nextLength(session, size);
      const whole = session.offset === 0 && length === size;
      const response = await patch(operation, session, content, length, !whole);
      if (TAKEN.includes(response.status)) {
        await discard(response);
        // Ignores its Range, since ECR's does not advance. https://github.com/aws/containers-roadmap/issues/2831
        // In the end, the digest proves what is stored.
        session = { ...sessions.next(operation, response, session), offset: session.offset + length };
        continue;
      }
      const failure = await access.failure(operation, response);
      if (isTooLarge(response, failure)) {
        limit = smaller(length, session, failure);
        session = await again(operation, session);
      } else if (session.offset === 0 && (response.status === 405 || response.status === 501)) {
        refusesPatch = true;
        return putWhole(operation, session, content);
      } else if (response.status === 416 || response.status === 404) {
        throw notYetThere(`${operation.name}: the registry lost track of the upload (${failure.message})`);
      } else throw failure;
    }
    return session;
  }

  function nextLength({ offset, minChunk }: UploadSession, size: number): number {
    const rest = size - offset;
    const most = offset === 0 ? (limit ?? rest) : Math.min(limit ?? RESUMED_CHUNK, RESUMED_CHUNK);
    return Math.min(rest, Math.max(most, minChunk));
  }

  function patch(
    operation: Operation,
    { address, offset }: UploadSession,
    { open, count }: UploadContent,
    length: number,
    isChunk: boolean,
  ): Promise<OpenResponse> {
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': String(length),
      ...(isChunk ? { 'content-range': `${offset}-${offset + length - 1}` } : {}),
    };
    const body = (): AsyncIterable<Uint8Array> => firstOf(open(offset), length, count);
    return access.send(operation, { method: 'PATCH', address, headers, body });
  }

  // https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#post-then-put
  async function putWhole(
    operation: Operation,
    { address }: UploadSession,
    { descriptor, open, count }: UploadContent,
  ): Promise<'complete'> {
    const { size, digest } = descriptor;
    const response = await access.send(operation, {
      method: 'PUT',
      address: withParameter(address, 'digest', digest),
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
      body: () => firstOf(open(0), size, count),
    });
    await discard(await access.expectStatus(operation, response, [201, 204]));
    return 'complete';
  }

  function smaller(
    length: number,
    { minChunk }: UploadSession,
    failure: TransientFailure | OciError,
  ): number {
    const found = SMALLER.find((each) => each < length && each >= minChunk);
    if (found !== undefined) return found;
    throw failure instanceof OciError
      ? new OciError(
          failure.code,
          `${failure.message} (for ${length} bytes, the registry requires ${minChunk} or more)`,
          {
            hint: failure.hint,
            refusal: failure.refusal,
          },
        )
      : failure;
  }

  // The refusal of the request may have closed the upload.
  async function again(operation: Operation, session: UploadSession): Promise<UploadSession> {
    const known = await sessions.progress(operation, session);
    if (known !== undefined) return known;
    throw new TransientFailure(
      `${operation.name}: the registry lost the upload with a request that was too large`,
    );
  }

  return { sendContent };
}

function isTooLarge(response: OpenResponse, failure: TransientFailure | OciError): boolean {
  if (response.status === 413) return true;
  // GHCR signals this with 416.
  return response.status === 416 && /too large|exceeds/i.test(failure.message);
}

async function* firstOf(
  source: AsyncIterable<Uint8Array>,
  length: number,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let left = length;
  for await (const chunk of source) {
    const part = chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= part.length;
    count(part.length);
    yield part;
    if (left === 0) return;
  }
}
