import { PrebuiltError } from '../errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that is told by an abort signal when the process is asked to end; asked a second time, the process
 * ends at once. The signal's reason is a `PrebuiltError` with the code `INTERRUPTED`.
 */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupt = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (interrupt.signal.aborted) process.exit(1);
    interrupt.abort(
      new PrebuiltError('INTERRUPTED', `stopped by ${signal}`, {
        hint: 'Run it again. What was there before is untouched.',
      }),
    );
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await work(interrupt.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}
