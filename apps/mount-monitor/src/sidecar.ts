import { join } from 'node:path';
import type { MonitorConfig, MountConfig } from './config/config.ts';
import { formatDuration } from './config/duration.ts';
import { type ConfigSource, loadConfig } from './config/load.ts';
import type { HttpServer } from './http/index.ts';
import type { View } from './http/view.ts';
import { type AdjustableLogger, createLogger } from './log.ts';
import { readMemoryUse } from './monitor/memory-limit.ts';
import { Monitor, requestOf } from './monitor/monitor.ts';
import { Predecessors } from './monitor/predecessors.ts';
import { Prober } from './monitor/prober.ts';
import { after } from './monitor/timers.ts';
import { probeCommand } from './probe-command.ts';
import { Reloader } from './reload.ts';
import { compileLater, logWarnings } from './runtime.ts';
import { version } from './version.ts';
import { WatchdogLink } from './watchdog-link.ts';

/**
 * Multiplies the thresholds for compiling code to machine code until the endpoints are in frequent use. The monitor
 * waits more than it works, and the compiler and compiled code take 5 MB.
 */
const compileThresholdFactor = 500;
/** The same once they are: what every request needs is compiled, and only that. At 1, the rest would take 4 MB more. */
const busyCompileThresholdFactor = 30;

/** How long a watchdog request in progress may delay the exit, in ms. */
const watchdogCloseMs = 2000;

/**
 * Runs the monitor until a signal ends the process. Returns an exit code only if it could not start, and throws if the
 * configuration is invalid.
 */
export async function startSidecar(source: ConfigSource): Promise<number | undefined> {
  compileLater(compileThresholdFactor);
  const loaded = await loadConfig(source);
  const { config } = loaded;
  const log = createLogger(config.logLevel, config.logFormat);
  logWarnings(log);
  log.info('configuration loaded', { source: loaded.file.source, mounts: config.mounts.length });
  for (const warning of loaded.warnings) log.warn('configuration', { problem: warning });
  log.info('starting mount monitor', { version, ...startFields(config) });
  for (const mount of config.mounts) log.info('mount registered', mountFields(mount));
  if (!config.watchdog.enabled) log.info('watchdog disabled by configuration');

  const sidecar = new Sidecar(config, log);
  let reloader: Reloader | undefined;
  process.on('SIGHUP', () => {
    log.info('received reload signal');
    void reloader?.reload();
  });
  sidecar.start();
  const { createRouter, HttpServer, ListenError } = await import('./http/index.ts');
  reloader = new Reloader({
    source,
    initial: loaded,
    log,
    apply: (next) => sidecar.apply(next),
  });
  const server = new HttpServer(createRouter(sidecar.view(reloader)), log, () =>
    compileLater(busyCompileThresholdFactor),
  );
  try {
    await sidecar.serve(server);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    log.error('http server failed to start', { error: error.message });
    // Exit explicitly: a hanging probe would keep the process alive.
    process.exit(1);
  }
  return undefined;
}

/** The running components and their shutdown. */
class Sidecar {
  readonly #startedAt = new Date();
  readonly #log: AdjustableLogger;
  readonly #monitor: Monitor;
  readonly #watchdog: WatchdogLink;
  readonly #predecessors = new Predecessors();
  #config: MonitorConfig;
  #server: HttpServer | undefined;
  #draining = false;

  constructor(config: MonitorConfig, log: AdjustableLogger) {
    this.#config = config;
    this.#log = log;
    this.#watchdog = new WatchdogLink({
      env: process.env,
      log,
      onExit: (code) => {
        log.error('the watchdog ends this process', { code });
        process.exit(code);
      },
    });
    this.#monitor = new Monitor(config, {
      prober: new Prober({
        command: probeCommand(),
        memoryUse: readMemoryUse,
        predecessors: this.#predecessors,
      }),
      log,
      onUnhealthyChange: (unhealthy) => this.#watchdog.update(unhealthy),
    });
  }

  /** Starts the first probes, so that they start up while the rest is still loading. */
  start(): void {
    process.on('SIGTERM', (signal) => this.#onStopSignal(signal));
    process.on('SIGINT', (signal) => this.#onStopSignal(signal));
    this.#monitor.start();
    void this.#watchdog.apply(this.#config.watchdog);
    this.#predecessors.report(this.#log, this.#config.mounts.map(requestOf));
  }

  async serve(server: HttpServer): Promise<void> {
    this.#server = server;
    const { httpHost, httpPort } = this.#config;
    await server.listen(httpHost, httpPort);
    this.#log.info('http server started', { host: httpHost, port: httpPort });
  }

  /** Applies a new configuration. If its address cannot be bound, throws and changes nothing. */
  async apply(next: MonitorConfig): Promise<void> {
    if (this.#draining) return;
    if (next.httpPort !== this.#config.httpPort || next.httpHost !== this.#config.httpHost) {
      await this.#server?.listen(next.httpHost, next.httpPort);
      this.#log.info('http server moved', { host: next.httpHost, port: next.httpPort });
    }
    this.#log.adjust(next.logLevel, next.logFormat);
    this.#config = next;
    this.#monitor.apply(next);
    this.#predecessors.report(this.#log, next.mounts.map(requestOf));
    await this.#watchdog.apply(next.watchdog);
  }

  view(reloader: Reloader): View {
    return {
      version,
      startedAt: this.#startedAt,
      draining: () => this.#draining,
      config: () => this.#config,
      revision: countChanges([
        () => this.#monitor.revision,
        () => this.#monitor.hungProbes,
        () => this.#predecessors.count,
        () => this.#watchdog.revision,
        () => reloader.revision,
        () => this.#draining,
      ]),
      mounts: () => this.#monitor.snapshot(),
      isHung: (mount) => this.#monitor.isHung(mount.config),
      hungProbes: () => this.#monitor.hungProbes,
      predecessorProbes: () => this.#predecessors.count,
      stalled: () => this.#monitor.stalled().map(({ path }) => path),
      watchdog: () => this.#watchdog.view(),
      reloads: () => reloader.view(),
      http: () => this.#server?.counts(),
      lostLogLines: () => this.#log.lostLines,
    };
  }

  #onStopSignal(signal: NodeJS.Signals): void {
    if (this.#draining) process.exit(signal === 'SIGINT' ? 130 : 143);
    this.#draining = true;
    this.#log.info('received shutdown signal', { signal: signal === 'SIGINT' ? 'interrupt' : 'terminated' });
    void this.#shutDown();
  }

  async #shutDown(): Promise<void> {
    this.#log.info('monitor shutting down');
    this.#monitor.close();
    this.#predecessors.close();
    const watchdogClosed = Promise.race([
      this.#watchdog.close(),
      new Promise<void>((resolve) => after(watchdogCloseMs, resolve)),
    ]);
    await this.#server?.drain(this.#config.shutdownTimeoutMs);
    await watchdogClosed;
    this.#log.info('shutdown complete');
    // Exit explicitly: a killed probe that hangs in the kernel would keep the process alive.
    process.exit(0);
  }
}

/** Counts how often any of these values differed from when it was last asked. */
function countChanges(values: readonly (() => unknown)[]): () => number {
  const last = values.map((value) => value());
  let changes = 0;
  return () => {
    // Asked for every request, so without an iterator, which would leave garbage.
    for (let index = 0; index < values.length; index += 1) {
      const current = values[index]?.();
      if (current !== last[index]) changes += 1;
      last[index] = current;
    }
    return changes;
  };
}

/** Uses the Go program's field names, including `failureThreshold`. */
function mountFields({ name, path, absolutePath, checkType, canaryFile, failureThreshold }: MountConfig) {
  const canary = checkType === 'canary' ? { canary: join(absolutePath, canaryFile) } : {};
  return { name, path, check_type: checkType, failureThreshold, ...canary };
}

function startFields(config: MonitorConfig) {
  return {
    check_interval: formatDuration(config.checkIntervalMs),
    read_timeout: formatDuration(config.readTimeoutMs),
    shutdown_timeout: formatDuration(config.shutdownTimeoutMs),
    failure_threshold: config.failureThreshold,
    success_threshold: config.successThreshold,
    http_host: config.httpHost,
    http_port: config.httpPort,
    log_level: config.logLevel,
    log_format: config.logFormat,
    canary_file: config.canaryFile,
    watchdog: config.watchdog.enabled ? config.watchdog.mode : 'off',
    watchdog_enabled: config.watchdog.enabled,
    watchdog_restart_delay: formatDuration(config.watchdog.restartDelayMs),
  };
}
