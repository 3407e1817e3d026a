import type { ClientRequest, IncomingMessage } from 'node:http';
import { OciError } from '../../errors.ts';
import type { Operation } from './operation.ts';

const CONNECT_MS = 10_000;
// Some are lawful (100, 103); a flood of them is a server that never answers.
const MAX_INFORMATION = 32;

/** What the body of a request may be: of chunks, each has been sent once the next one is asked for. */
export type RequestBody = AsyncIterable<Uint8Array> | Uint8Array | string | undefined;

/** What making a body failed with: no fault of the connection. */
export class BodyFailure extends Error {
  constructor(cause: unknown) {
    super('the body could not be made', { cause });
  }
}

/**
 * Sends a request's body and waits for the head of the answer, which may come before all is sent. Settles whatever the
 * server does: a connection that closes without an answer is an error, and so are a change of protocol (101) and a flood
 * of interim answers. The answer's body is ended with the operation. Throws `BodyFailure` for what making the body failed with. `idleMs`: without a byte, the connection is stalled.
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
        fail(`expected an answer, found more than ${MAX_INFORMATION} interim ones (status ${statusCode})`);
    });
    sent.once('upgrade', (_, socket) => {
      socket.destroy();
      fail('expected an answer, found status 101, a switch to a protocol that nobody asked for');
    });
    // It stays: a connection may also fail after the answer has come.
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
        // What is left of a body is not wanted any more, and the connection is of no use without it.
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
  sent.setTimeout(idleMs, () => fail(`no byte for ${idleMs} ms`));
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
  // A request that is broken off does not report what it had not written yet.
  const closed = new Promise<never>((_, reject) => sent.once('close', () => reject(new Error('closed'))));
  closed.catch(() => {});
  let missing = Number(sent.getHeader('content-length'));
  for await (const chunk of body) {
    if (isAnswered()) return;
    const written = new Promise<void>((resolve, reject) => {
      sent.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
    missing -= chunk.length;
    // Before the answer can come, so that the connection is seen to be of further use.
    if (missing === 0) sent.end();
    await Promise.race([written, closed]);
  }
  if (missing !== 0 && !isAnswered()) sent.end();
}
