import { afterAll } from 'vitest';
import { processorSeconds } from './processor-time.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** What the file and the programs that it started have used of the processors. */
    processorSeconds?: number;
  }
}

// What the files that this process ran before have used: it outlives them, as this module does not.
const BEFORE = Symbol.for('@prebuilt/testing: processor seconds before this file');
const shared = globalThis as { [BEFORE]?: number };

// A setup file of every project: its hook is the first of each file, and so ends after the file's own.
// biome-ignore lint/correctness/noEmptyPattern: vitest refuses a first parameter that is no pattern.
afterAll(({}, file) => {
  const used = processorSeconds();
  // The first file is charged for the start of the process.
  file.meta.processorSeconds = used - (shared[BEFORE] ?? 0);
  shared[BEFORE] = used;
});
