import type { ClientRequest, IncomingMessage } from 'node:http';
import { OciError } from '../../errors.ts';
import type { Operation } from './operation.ts';

const CONNECT_MS = 10_000;
// Some are legitimate (100, 103); a flood of them means a server that never responds.
const MAX_INFORMATION = 32;

/** The body of a request: each chunk has been sent once the next one is requested. */
export type RequestBody = AsyncIterable<Uint8Array> | Uint8Array | string | undefined;

/** An error from producing a body, not from the connection. */
export class BodyFailure extends Error {
  constructor(cause: unknown) {
    super('the body could not be made', { cause });
  }
}

/**
 * Sends a request's body and waits for the head of the response, which may arrive before everything is sent. Settles
 * whatever the server does: a connection that closes without a response is an error, and so are a protocol switch (101)
 * and a flood of interim responses. The response body ends with the operation. Throws `BodyFailure` if producing the
 * body fails. After `idleMs` without a byte, the connection counts as stalled.
 */
export function exchange(
  operation: Operation,
  sent: ClientRequest,
  body: RequestBody,
  idleMs: number,
): Promise<IncomingMessage> {
  watch(sent, idleMs);
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    let information = 0;
    const { signal } = operation;
    const abort = (): void => {
      answer?.destroy(signal.reason);
      sent.destroy(signal.reason);
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    const fail = (message: string): void => {
      reject(new OciError('REGISTRY_RESPONSE', `${operation.name}: ${message}`));
      sent.destroy();
    };
    sent.on('information', ({ statusCode }) => {
      information += 1;
      if (information > MAX_INFORMATION)
        fail(
          `expected a response, found more than ${MAX_INFORMATION} interim responses (status ${statusCode})`,
        );
    });
    sent.once('upgrade', (_, socket) => {
      socket.destroy();
      fail('expected a response, found status 101, a protocol switch that nobody requested');
    });
    // This listener stays: a connection may also fail after the response has arrived.
    sent.on('error', reject);
    sent.once('close', () => {
      if (answer !== undefined) return;
      signal.removeEventListener('abort', abort);
      reject(Object.assign(new Error('the connection closed without an answer'), { code: 'ECONNRESET' }));
    });
    sent.once('response', (response) => {
      answer = response;
      response.once('close', () => {
        signal.removeEventListener('abort', abort);
        // The rest of the body is no longer wanted, and without it the connection can't be reused.
        if (!sent.writableEnded) sent.destroy();
      });
      resolve(response);
    });
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) sent.end(body);
    else {
      const failed = (cause: unknown): void => reject(new BodyFailure(cause));
      sendChunks(sent, watched(body, failed), () => answer !== undefined).catch((error) => {
        if (answer === undefined) sent.destroy(error);
      });
    }
  });
}

function watch(sent: ClientRequest, idleMs: number): void {
  const fail = (what: string): void => {
    sent.destroy(Object.assign(new Error(what), { code: 'ETIMEDOUT' }));
  };
  sent.setTimeout(idleMs, () => fail(`no data for ${idleMs} ms`));
  sent.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => fail(`no connection within ${CONNECT_MS} ms`), CONNECT_MS);
    socket.once('connect', () => clearTimeout(timer));
    sent.once('close', () => clearTimeout(timer));
  });
}

async function* watched(
  body: AsyncIterable<Uint8Array>,
  failed: (cause: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    failed(error);
    throw error;
  }
}

async function sendChunks(
  sent: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  isAnswered: () => boolean,
): Promise<void> {
  // An aborted request does not report what it had not written yet.
  const closed = new Promise<never>((_, reject) => sent.once('close', () => reject(new Error('closed'))));
  closed.catch(() => {});
  let missing = Number(sent.getHeader('content-length'));
  for await (const chunk of body) {
    if (isAnswered()) return;
    const written = new Promise<void>((resolve, reject) => {
      sent.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
    missing -= chunk.length;
    // Before the response can arrive, so that the connection is recognized as reusable.
    if (missing === 0) sent.end();
    await Promise.race([written, closed]);
  }
  if (missing !== 0 && !isAnswered()) sent.end();
}
