// The code that the threads of reader-threads.ts run.
import { parentPort } from 'node:worker_threads';
import { OciError } from '../errors.ts';
import type { ReadEntry } from './layer-reader.ts';
import type { FromThread, ToThread } from './reader-threads.ts';
import { readStoredLayer } from './stored-layer.ts';

const port = parentPort;
if (port === null) throw new Error('reader-thread.ts: expected to be run as a thread');
const tell = (message: FromThread): void => port.postMessage(message);

/**
 * The number of entries sent at once: enough that sending costs little, and few enough that they are never all in
 * memory twice.
 */
const MAX_SENT = 1000;

port.on('message', ({ id, folder, layer, options }: ToThread) => {
  const entries: ReadEntry[] = [];
  const send = () => tell({ id, kind: 'entries', entries: entries.splice(0) });
  const take = (entry: ReadEntry) => {
    if (entries.push(entry) === MAX_SENT) send();
  };
  readStoredLayer(folder, layer, options, take).then(
    () => {
      send();
      tell({ id, kind: 'end' });
    },
    (error) =>
      tell(
        error instanceof OciError
          ? { id, kind: 'refusal', code: error.code, message: error.message }
          : { id, kind: 'failure', error },
      ),
  );
});
