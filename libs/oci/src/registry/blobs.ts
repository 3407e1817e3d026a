import { createHash } from 'node:crypto';
import { type Readable, Transform } from 'node:stream';
import type { Descriptor } from '../descriptor.ts';
import { type Digest, digestFromHex } from '../digest.ts';
import { OciError } from '../errors.ts';
import type { RepositoryAccess } from './access.ts';
import { notYetThere } from './presence.ts';
import {
  connectionFailure,
  discard,
  type OpenResponse,
  type Operation,
  TransientFailure,
} from './transport/index.ts';

/** Reads the blobs of a repository. */
export interface Blobs {
  hasBlob(digest: Digest): Promise<boolean>;
  /** The blob's content in one try; the stream fails where size or digest are not the descriptor's. */
  openBlob(descriptor: Descriptor): Promise<Readable>;
  /**
   * Like `openBlob`, of a blob that no manifest in the repository may name yet; undefined where the registry does not give
   * it out before. It must be asked for again once the manifest is there.
   * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetDownloadUrlForLayer.html
   */
  openUnnamedBlob(descriptor: Descriptor): Promise<Readable | undefined>;
  /** The whole content of a small blob. Throws `SIZE_MISMATCH` for one of more than `limit` bytes. */
  readBlob(descriptor: Descriptor, limit: number): Promise<Buffer>;
}

// What a front says to a HEAD that it, or the store that it leads to, will not answer: the store's URL may be signed for
// GET alone.
const NO_HEAD: ReadonlySet<number> = new Set([405, 501]);

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
        throw notYetThere(`${operation.name}: the registry took it and says status 404`);
      return response.status !== 404;
    });
  }

  async function open(
    descriptor: Descriptor,
    refused: (operation: Operation, response: OpenResponse) => Promise<undefined>,
  ): Promise<Readable | undefined> {
    const { digest, size } = descriptor;
    const operation = transport.begin(label(`blob ${digest}`), { transfer: size });
    try {
      const wanted = { method: 'GET', address: at(`blobs/${digest}`) } as const;
      const response = await access.send(operation, wanted);
      if (response.status === 200) return verified(operation, response, descriptor);
      await refused(operation, response);
    } catch (error) {
      operation.end();
      throw error;
    }
    operation.end();
    return undefined;
  }

  async function openBlob(descriptor: Descriptor): Promise<Readable> {
    const refuse = async (operation: Operation, response: OpenResponse): Promise<never> => {
      const failure = await access.failure(operation, response);
      throw response.status === 404 && presence.knows(descriptor.digest)
        ? notYetThere(failure.message)
        : failure;
    };
    const opened = await open(descriptor, refuse);
    if (opened === undefined) throw new TypeError('a refusal throws');
    return opened;
  }

  function openUnnamedBlob(descriptor: Descriptor): Promise<Readable | undefined> {
    return open(descriptor, async (operation, response) => {
      const failure = await access.failure(operation, response);
      if (failure instanceof TransientFailure || response.status === 401) throw failure;
      return undefined;
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

  return { hasBlob, openBlob, openUnnamedBlob, readBlob };
}

/** The body of a response, held against its descriptor; the operation ends with it. */
function verified(operation: Operation, response: OpenResponse, descriptor: Descriptor): Readable {
  const { name } = operation;
  const hash = createHash('sha256');
  let size = 0;
  const check = new Transform({
    transform(chunk: Buffer, _, done) {
      size += chunk.length;
      if (size > descriptor.size) {
        done(new OciError('SIZE_MISMATCH', `${name}: expected ${descriptor.size} bytes, found more`));
        return;
      }
      hash.update(chunk);
      done(null, chunk);
    },
    flush(done) {
      if (size < descriptor.size) {
        done(new TransientFailure(`${name}: the body ended after ${size} of ${descriptor.size} bytes`));
        return;
      }
      const digest = digestFromHex(hash.digest('hex'));
      const same = digest === descriptor.digest;
      done(
        same
          ? null
          : new OciError('DIGEST_MISMATCH', `${name}: expected content of that digest, found ${digest}`),
      );
    },
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
