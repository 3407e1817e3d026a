import { afterAll } from 'vitest';
import { processorSeconds } from './processor-time.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** What the file's process and the programs that it started have used of the processors. */
    processorSeconds?: number;
  }
}

// A setup file of every project: its hook is the first of each file, and so ends after the file's own. Each file has a
// process of its own, so that what the process has used is the file's.
// biome-ignore lint/correctness/noEmptyPattern: vitest refuses a first parameter that is no pattern.
afterAll(({}, file) => {
  file.meta.processorSeconds = processorSeconds();
});
