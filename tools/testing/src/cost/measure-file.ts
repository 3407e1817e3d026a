import { afterAll } from 'vitest';
import { processorSeconds } from './processor-time.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** CPU time of the file and the programs that it started. */
    processorSeconds?: number;
  }
}

// CPU time used by the files that this process ran before. Kept globally, since this module is reloaded for each file.
const BEFORE = Symbol.for('@prebuilt/testing: processor seconds before this file');
const shared = globalThis as { [BEFORE]?: number };

// A setup file for every project: its hook is registered first in each file, so it runs after the file's own.
// biome-ignore lint/correctness/noEmptyPattern: vitest requires a destructuring pattern as the first parameter.
afterAll(({}, file) => {
  const used = processorSeconds();
  // The first file is charged for the start of the process.
  file.meta.processorSeconds = used - (shared[BEFORE] ?? 0);
  shared[BEFORE] = used;
});
