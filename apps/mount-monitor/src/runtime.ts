import type { Logger } from './log.ts';

interface BunRuntime {
  gc(synchronous: boolean): unknown;
  readonly unsafe: { setJITPolicy(scale: number): void };
}

/** Only where Bun runs this; Node offers none of it, and needs none. */
const bun = (globalThis as { readonly Bun?: BunRuntime }).Bun;

/** Collects what is not in use any more; takes about 4 ms. */
export function collectGarbage(): void {
  bun?.gc(true);
}

/** Compiles functions to machine code so many times later than usual. */
export function compileLater(scale: number): void {
  bun?.unsafe.setJITPolicy(scale);
}

/** Compiles functions as soon as usual from now on, also those that have been called already. */
export function compileAsUsual(): void {
  compileLater(1);
}

/** Has what the runtime itself warns of written as lines of the log; left alone, it writes text to stderr. */
export function logWarnings(log: Logger): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) =>
    log.warn('warning of the runtime', { name, problem: message }),
  );
}
