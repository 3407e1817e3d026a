declare module 'autocannon' {
  interface Options {
    readonly url: string;
    readonly connections?: number;
    /** Seconds. */
    readonly duration?: number;
    /** Requests a second over all connections. */
    readonly overallRate?: number;
    readonly requests?: readonly { readonly method?: string; readonly path: string }[];
  }

  interface Result {
    /** Connection errors, and answers that did not come in time. */
    readonly errors: number;
    readonly timeouts: number;
    readonly requests: { readonly total: number; readonly average: number };
    /** Milliseconds. */
    readonly latency: { readonly p50: number; readonly p99: number; readonly max: number };
    readonly statusCodeStats: Readonly<Record<string, { readonly count: number }>>;
  }

  export default function autocannon(options: Options): Promise<Result>;
}
