/** How far a check's start may lie from its interval, as a share of it. */
const jitter = 0.1;

/** The moments at which checks start lie on a grid of this share of the interval. */
const gridShare = 0.1;

/** How many checks share a moment: as many as would if all were spread evenly, and at least these. */
const MIN_SHARED = 8;

/** What a check is planned by; times in ms. */
export interface Wish {
  readonly intervalMs: number;
  /** When the check before it started, on the monotonic clock. */
  readonly startedAt: number;
  /** How many mounts there are. */
  readonly mounts: number;
  /** Whether it may start together with others; a check that may block its probe should start alone. */
  readonly shares: boolean;
  /** From 0 to 1, for the jitter. */
  readonly random: number;
}

/**
 * Plans checks so that many start together: most of what a check of a healthy mount costs is waking up for it. Each stays
 * within the jitter around its interval.
 */
export class Moments {
  readonly #origin = performance.now();
  readonly #planned = new Map<number, number>();

  /** When the next check starts, on the monotonic clock; to be given back to {@link release} once it does. */
  plan({ intervalMs, startedAt, mounts, shares, random }: Wish): number {
    const step = intervalMs * gridShare;
    const earliest = startedAt + intervalMs * (1 - jitter);
    const latest = startedAt + intervalMs * (1 + jitter);
    const wanted = earliest + (latest - earliest) * random;
    const mostShared = Math.max(MIN_SHARED, Math.ceil(mounts * gridShare));
    let best = wanted;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let index = Math.ceil((earliest - this.#origin) / step); ; index += 1) {
      const moment = this.#origin + index * step;
      if (moment > latest) break;
      const count = this.#planned.get(moment) ?? 0;
      const joins = shares && count > 0 && count < mostShared;
      // Where others start that have room; else where nobody does, or the fewest; and then as near as can be.
      const rank = Math.abs(moment - wanted) + (joins ? 0 : intervalMs * (1 + count));
      if (rank <= bestRank) [best, bestRank] = [moment, rank];
    }
    this.#planned.set(best, (this.#planned.get(best) ?? 0) + 1);
    return best;
  }

  /** Forgets a check that was planned for this moment. */
  release(moment: number): void {
    const left = (this.#planned.get(moment) ?? 0) - 1;
    if (left > 0) this.#planned.set(moment, left);
    else this.#planned.delete(moment);
  }
}
