import { createHash } from 'node:crypto';
import { type Readable, Transform } from 'node:stream';
import type { Descriptor } from '../descriptor.ts';
import { type Digest, digestFromHex } from '../digest.ts';
import { OciError } from '../errors.ts';
import { freeMemory } from '../layer/chunk-memory.ts';
import type { RepositoryAccess } from './access.ts';
import { notYetThere } from './presence.ts';
import {
  connectionFailure,
  discard,
  type OpenResponse,
  type Operation,
  TransientFailure,
} from './transport/index.ts';

/** Reads the blobs in a repository. */
export interface Blobs {
  hasBlob(digest: Digest): Promise<boolean>;
  /** The blob's content, without retries; the stream fails if its size or digest does not match the descriptor. */
  openBlob(descriptor: Descriptor): Promise<Readable>;
  /** Reads a whole blob without keeping it. Throws if its size or digest does not match the descriptor. */
  verifyBlob(descriptor: Descriptor): Promise<void>;
  /**
   * Like `verifyBlob`, for a blob that may not be in any manifest of the repository yet; false if the registry does not
   * serve it until then. In that case it must be verified once the manifest exists.
   * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetDownloadUrlForLayer.html
   */
  verifyUnnamedBlob(descriptor: Descriptor): Promise<boolean>;
  /** The whole content of a small blob. Throws `SIZE_MISMATCH` if it is larger than `limit` bytes. */
  readBlob(descriptor: Descriptor, limit: number): Promise<Buffer>;
}

// What a reverse proxy returns for a HEAD that it, or the store behind it, won't answer: the store's URL may be signed
// for GET only.
const NO_HEAD: ReadonlySet<number> = new Set([405, 501]);

/** The blobs of a repository. Remembers whether the registry, or a proxy before it, refuses HEAD. */
export function openBlobs(access: RepositoryAccess): Blobs {
  const { transport, presence, at, label } = access;

  function hasBlob(digest: Digest): Promise<boolean> {
    const address = at(`blobs/${digest}`);
    return transport.attempt(label(`blob ${digest}`), async (operation) => {
      let response = await access.send(operation, { method: 'HEAD', address });
      const elsewhere = response.address.url.origin !== address.url.origin;
      if (NO_HEAD.has(response.status) || (elsewhere && [400, 401, 403, 404].includes(response.status)))
        response = await access.send(operation, { method: 'GET', address });
      await access.expectStatus(operation, response, [200, 206, 404]);
      await discard(response);
      if (response.status === 404 && presence.knows(digest))
        throw notYetThere(`${operation.name}: the registry accepted it but now returns status 404`);
      return response.status !== 404;
    });
  }

  async function openBlob(descriptor: Descriptor): Promise<Readable> {
    const { digest, size } = descriptor;
    const operation = transport.begin(label(`blob ${digest}`), { transfer: size });
    try {
      const response = await get(operation, digest);
      if (response.status === 200) return verified(operation, response, descriptor);
      throw await refusal(operation, response, digest);
    } catch (error) {
      operation.end();
      throw error;
    }
  }

  function get(operation: Operation, digest: Digest): Promise<OpenResponse> {
    return access.send(operation, { method: 'GET', address: at(`blobs/${digest}`) });
  }

  async function refusal(
    operation: Operation,
    response: OpenResponse,
    digest: Digest,
  ): Promise<TransientFailure | OciError> {
    const failure = await access.failure(operation, response);
    return response.status === 404 && presence.knows(digest) ? notYetThere(failure.message) : failure;
  }

  function verify<T>(
    descriptor: Descriptor,
    held: T,
    refused: (operation: Operation, response: OpenResponse) => Promise<T>,
  ): Promise<T> {
    const { digest, size } = descriptor;
    const work = async (operation: Operation): Promise<T> => {
      const response = await get(operation, digest);
      if (response.status !== 200) return refused(operation, response);
      await readThrough(operation, response, createCheck(operation.name, descriptor));
      return held;
    };
    return transport.attempt(label(`blob ${digest}`), work, { transfer: size });
  }

  function verifyBlob(descriptor: Descriptor): Promise<void> {
    return verify(descriptor, undefined, async (operation, response) => {
      throw await refusal(operation, response, descriptor.digest);
    });
  }

  function verifyUnnamedBlob(descriptor: Descriptor): Promise<boolean> {
    return verify(descriptor, true, async (operation, response) => {
      const failure = await access.failure(operation, response);
      if (failure instanceof TransientFailure || response.status === 401) throw failure;
      return false;
    });
  }

  function readBlob(descriptor: Descriptor, limit: number): Promise<Buffer> {
    const { digest, size } = descriptor;
    const name = label(`read blob ${digest}`);
    if (size > limit)
      throw new OciError('SIZE_MISMATCH', `${name}: expected at most ${limit} bytes, found ${size}`);
    return transport.attempt(name, async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of await openBlob(descriptor)) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }

  return { hasBlob, openBlob, verifyBlob, verifyUnnamedBlob, readBlob };
}

/** Checks bytes against a descriptor as they pass. Each method returns the error, if there is one. */
interface ContentCheck {
  add(chunk: Buffer): OciError | undefined;
  end(): OciError | TransientFailure | undefined;
}

function createCheck(name: string, descriptor: Descriptor): ContentCheck {
  const hash = createHash('sha256');
  let size = 0;
  return {
    add(chunk) {
      size += chunk.length;
      if (size > descriptor.size)
        return new OciError('SIZE_MISMATCH', `${name}: expected ${descriptor.size} bytes, found more`);
      hash.update(chunk);
      return undefined;
    },
    end() {
      if (size < descriptor.size)
        return new TransientFailure(`${name}: the body ended after ${size} of ${descriptor.size} bytes`);
      const digest = digestFromHex(hash.digest('hex'));
      return digest === descriptor.digest
        ? undefined
        : new OciError('DIGEST_MISMATCH', `${name}: expected content with that digest, found ${digest}`);
    },
  };
}

/** The body of a response, checked against its descriptor; the operation ends with the body. */
function verified(operation: Operation, response: OpenResponse, descriptor: Descriptor): Readable {
  const content = createCheck(operation.name, descriptor);
  const check = new Transform({
    transform: (chunk: Buffer, _, done) => done(content.add(chunk), chunk),
    flush: (done) => done(content.end()),
  });
  response.body.on('error', (error) =>
    check.destroy(connectionFailure(operation, response.address.url, error) as Error),
  );
  check.on('close', () => {
    response.body.destroy();
    operation.end();
  });
  return response.body.pipe(check);
}

/** Reads a body to its end, freeing the memory of each chunk at once: hundreds of megabytes pass through. */
function readThrough(
  operation: Operation,
  { address, body }: OpenResponse,
  content: ContentCheck,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      reject(error);
      body.destroy();
    };
    body.on('data', (chunk: Buffer) => {
      const error = content.add(chunk);
      freeMemory(chunk);
      if (error !== undefined) fail(error);
    });
    body.once('end', () => {
      const error = content.end();
      if (error === undefined) resolve();
      else fail(error);
    });
    body.on('error', (error) => fail(connectionFailure(operation, address.url, error)));
    const cut = Object.assign(new Error('the connection closed in the middle of the body'), {
      code: 'ECONNRESET',
    });
    body.once('close', () => fail(connectionFailure(operation, address.url, cut)));
  });
}
