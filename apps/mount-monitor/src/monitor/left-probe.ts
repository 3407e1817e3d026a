import type { ProbeProcess } from './probe-process.ts';
import { after } from './timers.ts';

/** How often a killed process is checked, in ms. */
const lookMs = 50;

/**
 * How long, in ms, until a killed process counts as stuck: if it is in an uninterruptible wait, and no matter what it
 * does. A daemon that is merely slow answers the pending request a moment later.
 */
const MIN_ENDING_MS = 200;
const MAX_ENDING_MS = 2000;

/**
 * A probe that was killed and has not been seen to exit. Most exit within a few ms; one that does not, usually because
 * it is in an uninterruptible wait, counts as hung.
 */
export class LeftProbe {
  readonly gone: Promise<void>;
  /** Settles once the process has exited or is known to hang. */
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
