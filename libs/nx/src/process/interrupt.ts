import { PrebuiltError } from '../errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work with an abort signal that fires when the process is asked to exit. When asked a second time, the process
 * exits immediately. The signal's reason is a `PrebuiltError` with the code `INTERRUPTED`.
 */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupt = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (interrupt.signal.aborted) process.exit(1);
    interrupt.abort(
      new PrebuiltError('INTERRUPTED', `stopped by ${signal}`, {
        hint: 'Run it again. Existing output is unchanged.',
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
