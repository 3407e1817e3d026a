import { Session } from 'node:inspector/promises';

/** Counts how often blocks of code run: work, which a busy machine does not change, and not time. */
export interface CountedWork extends AsyncDisposable {
  /**
   * How many blocks of the counted files ran until what `work` gives has settled, whatever it settles to. What built-in
   * functions do inside (`JSON.parse`, a pattern) is not seen.
   */
  blocksOf(work: () => unknown): Promise<number>;
}

/**
 * Counts the blocks of files whose URL holds `part`. Everything in this process is slower until it is disposed of.
 * https://chromedevtools.github.io/devtools-protocol/v8/Profiler/#method-startPreciseCoverage
 */
export async function countWork(part: string): Promise<CountedWork> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return {
    async blocksOf(work) {
      // Each of these sets the counters back.
      await session.post('Profiler.takePreciseCoverage');
      try {
        await work();
      } catch {
        // What a refusal costs counts as well.
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
