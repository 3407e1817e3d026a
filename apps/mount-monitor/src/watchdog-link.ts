import type { WatchdogConfig } from './config/watchdog-config.ts';
import type { WatchdogView } from './http/view.ts';
import type { Logger } from './log.ts';
import type { MountSnapshot } from './monitor/mount-record.ts';
import type { Watchdog } from './watchdog/index.ts';

export interface WatchdogLinkOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  /** Ends the process with a code. */
  readonly onExit: (code: number) => void;
}

const off: WatchdogView = {
  status: { state: 'disabled' },
  states: ['disabled'],
  restarts: new Map(),
  kubeRequests: new Map(),
};

/** Holds the watchdog of the configuration in use; its code is loaded only once one is switched on. */
export class WatchdogLink {
  readonly #options: WatchdogLinkOptions;
  #settings: string | undefined;
  #watchdog: Watchdog | undefined;
  #unhealthy: readonly MountSnapshot[] = [];
  #closed = false;
  #generation = 0;

  constructor(options: WatchdogLinkOptions) {
    this.#options = options;
  }

  /** Puts settings to use. One that acts under the same settings already continues as it is. */
  async apply(config: WatchdogConfig): Promise<void> {
    const settings = JSON.stringify(config);
    if (settings === this.#settings) return;
    this.#settings = settings;
    this.#generation += 1;
    const previous = this.#watchdog;
    this.#watchdog = undefined;
    await previous?.close();
    if (!config.enabled) return;
    const { createWatchdog } = await import('./watchdog/index.ts');
    // Meanwhile the process may be on its way out, or other settings in use.
    if (this.#closed || settings !== this.#settings) return;
    const { env, log, onExit } = this.#options;
    this.#watchdog = createWatchdog({ config, env, log, onExit });
    this.update(this.#unhealthy);
  }

  /** Tells which mounts are unhealthy now. */
  update(unhealthy: readonly MountSnapshot[]): void {
    this.#unhealthy = unhealthy;
    this.#watchdog?.update(
      unhealthy.map(({ config, state }) => ({
        name: config.name,
        path: config.path,
        reason: state.failure?.reason,
        error: state.failure?.error,
      })),
    );
  }

  /** Changes with everything that `view` gives. */
  get revision(): string {
    return `${this.#generation}:${this.#watchdog?.revision ?? ''}`;
  }

  view(): WatchdogView {
    const watchdog = this.#watchdog;
    if (watchdog === undefined) return off;
    return { status: watchdog.status(), ...watchdog.metrics() };
  }

  /** Drops a pending restart; resolves once no request is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#watchdog?.close();
  }
}
