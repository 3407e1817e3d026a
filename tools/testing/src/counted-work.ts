import { Session } from 'node:inspector/promises';

/** Counts how often blocks of code run: a measure of work that, unlike time, is independent of the machine's load. */
export interface CountedWork extends AsyncDisposable {
  /**
   * How many blocks in the counted files run until the result of `work` settles, even if it rejects. The insides of
   * built-in functions (`JSON.parse`, regular expressions) are not counted.
   */
  blocksOf(work: () => unknown): Promise<number>;
}

/**
 * Counts the blocks in files whose URL contains `part`. Slows down the whole process until it is disposed of.
 * https://chromedevtools.github.io/devtools-protocol/v8/Profiler/#method-startPreciseCoverage
 */
export async function countWork(part: string): Promise<CountedWork> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return {
    async blocksOf(work) {
      // Each call resets the counters.
      await session.post('Profiler.takePreciseCoverage');
      try {
        await work();
      } catch {
        // The cost of a failure counts as well.
      }
      const { result } = await session.post('Profiler.takePreciseCoverage');
      return result
        .filter(({ url }) => url.includes(part))
        .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
        .reduce((sum, { count }) => sum + count, 0);
    },
    [Symbol.asyncDispose]: async () => session.disconnect(),
  };
}
