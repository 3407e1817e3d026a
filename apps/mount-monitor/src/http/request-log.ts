import type { Logger } from '../log.ts';
import type { Reply } from './reply.ts';

/** The most lines per second: a flood of requests must not flood the log. */
const MAX_LINES_A_SECOND = 50;

/**
 * Logs requests. The health endpoints are logged as `probe request`, in the Go program's wording, at debug while all is
 * well and at a higher level otherwise; everything else is logged as `http request` at debug. Lines beyond 50 per
 * second are only counted.
 */
export class RequestLog {
  readonly #log: Logger;
  #second = 0;
  #lines = 0;
  #withheld = 0;
  #withheldLevel: 'debug' | 'info' | 'warn' = 'debug';

  constructor(log: Logger) {
    this.#log = log;
  }

  note(method: string, target: string, { status, probe }: Reply): void {
    if (!this.#admits(probe?.level ?? 'debug')) return;
    if (probe === undefined) this.#log.debug('http request', { method, target, status });
    else this.#log[probe.level]('probe request', { endpoint: probe.endpoint, status, result: probe.result });
  }

  #admits(level: 'debug' | 'info' | 'warn'): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) this.#begin(second);
    this.#lines += 1;
    if (this.#lines <= MAX_LINES_A_SECOND) return true;
    this.#withheld += 1;
    if (level !== 'debug') this.#withheldLevel = level;
    return false;
  }

  #begin(second: number): void {
    if (this.#withheld > 0) {
      this.#log[this.#withheldLevel]('requests were not logged because there were too many', {
        count: this.#withheld,
      });
    }
    this.#second = second;
    this.#lines = 0;
    this.#withheld = 0;
    this.#withheldLevel = 'debug';
  }
}
