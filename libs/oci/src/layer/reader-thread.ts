// What the threads of reader-threads.ts run.
import { parentPort } from 'node:worker_threads';
import { OciError } from '../errors.ts';
import type { FromThread, ToThread } from './reader-threads.ts';
import { readStoredLayer } from './stored-layer.ts';

const port = parentPort;
if (port === null) throw new Error('reader-thread.ts: expected to be run as a thread');
const tell = (message: FromThread): void => port.postMessage(message);

port.on('message', ({ id, folder, layer, options }: ToThread) => {
  readStoredLayer(folder, layer, options).then(
    (entries) => tell({ id, kind: 'entries', entries }),
    (error) =>
      tell(
        error instanceof OciError
          ? { id, kind: 'refusal', code: error.code, message: error.message }
          : { id, kind: 'failure', error },
      ),
  );
});
