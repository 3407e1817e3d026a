/** How much a check's start may deviate from its interval, as a fraction of it. */
const jitter = 0.1;

/** Checks start on a grid whose step is this fraction of the interval. */
const gridShare = 0.1;

/** How many checks share a moment: as many as if all were spread evenly, and at least this many. */
const MIN_SHARED = 8;

/** What planning a check depends on; times in ms. */
export interface Wish {
  readonly intervalMs: number;
  /** When the previous check started, on the monotonic clock. */
  readonly startedAt: number;
  /** The number of mounts. */
  readonly mounts: number;
  /** Whether the check may start together with others; a check that may block its probe should start alone. */
  readonly shares: boolean;
  /** From 0 to 1, for the jitter. */
  readonly random: number;
}

/**
 * Plans checks so that many start together, because most of the cost of checking a healthy mount is waking up for it.
 * Each check stays within the jitter around its interval.
 */
export class Moments {
  readonly #origin = performance.now();
  readonly #planned = new Map<number, number>();

  /** When the next check starts, on the monotonic clock; pass the result to {@link release} when it does. */
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
      // Prefer moments with other checks and room for more, then empty or least crowded ones, then the nearest.
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
