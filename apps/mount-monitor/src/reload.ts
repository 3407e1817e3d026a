import type { MonitorConfig } from './config/config.ts';
import { ConfigError } from './config/errors.ts';
import { type ConfigSource, type LoadedConfig, parseSource, readSource } from './config/load.ts';
import type { ReloadView } from './http/view.ts';
import type { Logger } from './log.ts';

/** How often the file is checked for changes, in ms. */
const pollIntervalMs = 10_000;

export interface ReloaderOptions {
  readonly source: ConfigSource;
  readonly initial: LoadedConfig;
  readonly log: Logger;
  /** Applies a valid configuration. May reject it by throwing, and then the old one stays in use. */
  readonly apply: (config: MonitorConfig) => Promise<void>;
  readonly pollMs?: number;
}

/**
 * Reloads the configuration when its content changes, and on request. A file that cannot be used is logged once and
 * changes nothing. It compares content rather than times or links, because Kubernetes updates a ConfigMap by swapping a
 * symbolic link.
 */
export class Reloader {
  readonly #options: ReloaderOptions;
  #lastText: string | undefined;
  #lastProblem: string | undefined;
  #lastSuccessAt = new Date();
  #queue: Promise<void> = Promise.resolve();
  #revision = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#lastText = options.initial.file.text;
    this.#timer = setInterval(() => void this.#enqueue(false), options.pollMs ?? pollIntervalMs);
  }

  /** Changes whenever the result of `view` does. */
  get revision(): number {
    return this.#revision;
  }

  /** The outcome of the latest attempt and the time of the last success. */
  view(): ReloadView {
    return { lastSuccessful: this.#lastProblem === undefined, lastSuccessAt: this.#lastSuccessAt };
  }

  /** Reads and applies the file even if it has not changed. */
  reload(): Promise<void> {
    return this.#enqueue(true);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #enqueue(asked: boolean): Promise<void> {
    this.#queue = this.#queue.then(() => this.#read(asked));
    return this.#queue;
  }

  async #read(asked: boolean): Promise<void> {
    const { source, log, apply } = this.#options;
    try {
      const file = await readSource(source);
      if (!asked && file.text === this.#lastText) return;
      this.#lastText = file.text;
      const { config, warnings } = parseSource(file, source);
      await apply(config);
      this.#lastProblem = undefined;
      this.#lastSuccessAt = new Date();
      this.#revision += 1;
      log.info('configuration reloaded', { source: file.source, mounts: config.mounts.length });
      for (const warning of warnings) log.warn('configuration', { problem: warning });
    } catch (error) {
      this.#refuse(error, asked);
    }
  }

  #refuse(error: unknown, asked: boolean): void {
    const problem = error instanceof Error ? error.message : String(error);
    const known = problem === this.#lastProblem;
    this.#lastProblem = problem;
    this.#revision += 1;
    if (known && !asked) return;
    const problems = error instanceof ConfigError && error.problems.length > 0 ? error.problems : undefined;
    this.#options.log.error('configuration not reloaded, keeping the previous one', {
      error: problem.split('\n', 1)[0],
      problems,
    });
  }
}
