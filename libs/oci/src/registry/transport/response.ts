import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { OciError } from '../../errors.ts';
import { type Address, redactUrl } from './address.ts';
import { connectionFailure } from './failures.ts';
import type { Operation } from './operation.ts';

/** A response with an unread body; the receiver reads or destroys it. */
export interface OpenResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
  /** Where the response came from, after redirects. */
  readonly address: Address;
}

const LITTLE_BYTES = 64 * 1024;

/** Wraps a response from Node's client. Throws `REGISTRY_RESPONSE` for a body in an encoding that nobody asked for. */
export function openResponse(
  operation: Operation,
  message: IncomingMessage,
  address: Address,
  hasBody: boolean,
): OpenResponse {
  const flat = Object.entries(message.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as const],
  );
  const headers = Object.fromEntries(flat);
  const status = message.statusCode ?? 0;
  // Nothing follows, and reading that frees the connection.
  if (!hasBody) message.resume();
  return { status, headers, address, body: hasBody ? decoded(operation, message, headers) : message };
}

// Bodies are requested without encoding; reverse proxies that compress them anyway use gzip.
function decoded(
  operation: Operation,
  message: IncomingMessage,
  headers: Readonly<Record<string, string>>,
): Readable {
  const coding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (coding === '' || coding === 'identity') return message;
  if (coding !== 'gzip' && coding !== 'x-gzip') {
    message.destroy();
    throw new OciError(
      'REGISTRY_RESPONSE',
      `${operation.name}: expected a body without encoding, found Content-Encoding ${coding.slice(0, 50)}`,
    );
  }
  const gunzip = createGunzip();
  message.on('error', (error) => gunzip.destroy(error));
  gunzip.on('close', () => message.destroy());
  return message.pipe(gunzip);
}

/**
 * Reads a whole body of at most `limit` bytes, within the operation's memory budget. Throws `REGISTRY_RESPONSE` for a
 * longer one.
 */
export async function readBounded(
  operation: Operation,
  response: OpenResponse,
  limit: number,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > limit) {
        throw new OciError(
          'REGISTRY_RESPONSE',
          `${operation.name}: ${redactUrl(response.address.url)}: expected a body of at most ${limit} bytes, found more`,
        );
      }
      operation.spend(chunk.length);
      chunks.push(chunk);
    }
  } catch (error) {
    throw connectionFailure(operation, response.address.url, error);
  } finally {
    response.body.destroy();
  }
  return Buffer.concat(chunks, size);
}

/** Ends a response without using its body. The connection is kept if little of it is left. */
export async function discard(response: OpenResponse): Promise<OpenResponse> {
  response.body.on('error', () => {});
  const little = Number(response.headers['content-length'] ?? Number.NaN) <= LITTLE_BYTES;
  if (little || response.body.readableFlowing) response.body.resume();
  else response.body.destroy();
  return response;
}

/** The media type in a `Content-Type` header, in lowercase and without parameters. */
export function mediaTypeOf({ headers }: OpenResponse): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}
