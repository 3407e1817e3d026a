import type { ProbeProcess } from './probe-process.ts';
import { after } from './timers.ts';

/** How often a killed process is looked at, in ms. */
const lookMs = 50;

/**
 * After how long a killed process counts as stuck if it is in an uninterruptible wait, and after how long whatever it
 * does, in ms. A daemon that is only slow answers the request under way a moment later.
 */
const MIN_ENDING_MS = 200;
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
      const passedMs = performance.now() - this.#killedAt;
      this.#hung = passedMs > MAX_ENDING_MS || (passedMs >= MIN_ENDING_MS && this.#probe.waitsInKernel);
      if (this.#hung) resolve();
      else this.#lookLater(resolve);
    });
  }
}
