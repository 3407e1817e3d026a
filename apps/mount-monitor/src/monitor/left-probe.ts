import type { ProbeProcess } from './probe-process.ts';
import { after } from './timers.ts';

/** How long a killed process may take to end before a look tells whether it is stuck, and between two looks, in ms. */
const lookMs = 50;

/** After how long a killed process counts as stuck whatever it waits for, in ms. */
const MAX_ENDING_MS = 2000;

/**
 * A probe that was killed and has not been seen to end. Most end within a few ms; one in an uninterruptible wait does
 * not, and only that one is hung.
 */
export class LeftProbe {
  readonly gone: Promise<void>;
  /** Settles once the process has ended or is known to hang. */
  readonly decided: Promise<void>;
  readonly #probe: ProbeProcess;
  readonly #killedAt = performance.now();
  #hung = false;

  constructor(probe: ProbeProcess) {
    this.#probe = probe;
    this.gone = probe.gone;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.decided = promise;
    void probe.gone.then(resolve);
    this.#lookLater(resolve);
  }

  get hung(): boolean {
    return this.#hung && !this.#probe.isGone;
  }

  #lookLater(resolve: () => void): void {
    after(lookMs, () => {
      if (this.#probe.isGone) return;
      this.#hung = this.#probe.waitsInKernel || performance.now() - this.#killedAt > MAX_ENDING_MS;
      if (this.#hung) resolve();
      else this.#lookLater(resolve);
    });
  }
}
