// What the threads of reader-threads.ts run.
import { parentPort } from 'node:worker_threads';
import { OciError } from '../errors.ts';
import { readLayer } from './layer-reader.ts';
import type { FromThread, ToThread } from './reader-threads.ts';

const port = parentPort;
if (port === null) throw new Error('reader-thread.ts: expected to be run as a thread');
const received: ToThread[] = [];
let wake: () => void = () => {};
port.on('message', (message: ToThread) => {
  received.push(message);
  wake();
});

async function next(): Promise<ToThread> {
  for (;;) {
    const message = received.shift();
    if (message !== undefined) return message;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

function tell(message: FromThread, ...moved: readonly ArrayBuffer[]): void {
  port?.postMessage(message, [...moved]);
}

// Each chunk goes back as the next one is asked for.
async function* chunks(): AsyncGenerator<Buffer> {
  for (let message = await next(); message.kind === 'chunk'; message = await next()) {
    const { buffer, size } = message;
    yield Buffer.from(buffer, 0, size);
    tell({ kind: 'free', buffer }, buffer);
  }
}

try {
  for (;;) {
    const message = await next();
    if (message.kind === 'begin') {
      const entries = await Array.fromAsync(readLayer(chunks(), message.reading));
      tell({ kind: 'entries', entries });
    }
  }
} catch (error) {
  if (!(error instanceof OciError)) throw error;
  tell({ kind: 'failure', code: error.code, message: error.message });
}
