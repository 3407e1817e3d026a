import type { WatchdogConfig } from './config/watchdog-config.ts';
import type { WatchdogView } from './http/view.ts';
import type { Logger } from './log.ts';
import type { MountSnapshot } from './monitor/mount-record.ts';
import type { Watchdog } from './watchdog/index.ts';

export interface WatchdogLinkOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  /** Ends the process with an exit code. */
  readonly onExit: (code: number) => void;
}

const off: WatchdogView = {
  status: { state: 'disabled' },
  states: ['disabled'],
  restarts: new Map(),
  kubeRequests: new Map(),
};

/** Owns the watchdog for the current configuration; its code is loaded only once a watchdog is enabled. */
export class WatchdogLink {
  readonly #options: WatchdogLinkOptions;
  #settings: string | undefined;
  #watchdog: Watchdog | undefined;
  #unhealthy: readonly MountSnapshot[] = [];
  #closed = false;
  /** The changes before the present watchdog. */
  #changes = 0;

  constructor(options: WatchdogLinkOptions) {
    this.#options = options;
  }

  /** Applies settings. A watchdog that already runs with the same settings is left alone. */
  async apply(config: WatchdogConfig): Promise<void> {
    const settings = JSON.stringify(config);
    if (settings === this.#settings) return;
    this.#settings = settings;
    const previous = this.#watchdog;
    this.#changes = this.revision + 1;
    this.#watchdog = undefined;
    await previous?.close();
    if (!config.enabled) return;
    const { createWatchdog } = await import('./watchdog/index.ts');
    // In the meantime, the process may have begun to exit, or the settings may have changed.
    if (this.#closed || settings !== this.#settings) return;
    const { env, log, onExit } = this.#options;
    this.#watchdog = createWatchdog({ config, env, log, onExit });
    this.#changes += 1;
    this.update(this.#unhealthy);
  }

  /** Passes on which mounts are unhealthy now. */
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

  /** Grows whenever the result of `view` changes. */
  get revision(): number {
    return this.#changes + (this.#watchdog?.revision ?? 0);
  }

  view(): WatchdogView {
    const watchdog = this.#watchdog;
    if (watchdog === undefined) return off;
    return { status: watchdog.status(), ...watchdog.metrics() };
  }

  /** Cancels a pending restart; resolves once no request is in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#watchdog?.close();
  }
}
