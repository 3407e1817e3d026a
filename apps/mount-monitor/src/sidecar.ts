import type { MonitorConfig } from './config/config.ts';
import { formatDuration } from './config/duration.ts';
import { type ConfigSource, loadConfig } from './config/load.ts';
import { createRouter } from './http/routes.ts';
import { HttpServer, ListenError } from './http/server.ts';
import type { View } from './http/view.ts';
import { createLogger } from './log.ts';
import { Monitor } from './monitor/monitor.ts';
import { Prober } from './monitor/prober.ts';
import { probeCommand } from './probe-command.ts';
import { Reloader } from './reload.ts';
import { version } from './version.ts';

/**
 * Runs the monitor until a signal ends the process. Returns an exit code only where it could not start, and
 * throws the configuration's problems.
 */
export async function startSidecar(source: ConfigSource): Promise<number | undefined> {
  const startedAt = new Date();
  const loaded = await loadConfig(source);
  let config = loaded.config;
  const log = createLogger(config.logLevel, config.logFormat);
  log.info('configuration loaded', { source: loaded.file.source, mounts: config.mounts.length });
  for (const warning of loaded.warnings) log.warn('configuration', { problem: warning });
  log.info('starting mount monitor', { version, ...startFields(config) });

  const monitor = new Monitor(config, { prober: new Prober({ command: probeCommand() }), log });
  let draining = false;
  const view: View = {
    version,
    startedAt,
    draining: () => draining,
    config: () => config,
    revision: () => monitor.revision,
    mounts: () => monitor.snapshot(),
    isHung: (mount) => monitor.isHung(mount.config),
    hungProbes: () => monitor.hungProbes,
    stalled: () => monitor.stalled().map(({ path }) => path),
    watchdog: () => ({
      status: { state: 'disabled' },
      states: ['disabled'],
      restarts: new Map(),
      kubeRequests: new Map(),
    }),
    reloads: () => reloader.view(),
  };
  const server = new HttpServer(createRouter(view), log);
  try {
    await server.listen(config.httpHost, config.httpPort);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    log.error('http server failed to start', { error: error.message });
    return 1;
  }
  log.info('http server started', { host: config.httpHost, port: config.httpPort });

  const reloader = new Reloader({
    source,
    initial: loaded,
    log,
    apply: async (next) => {
      if (next.httpPort !== config.httpPort || next.httpHost !== config.httpHost) {
        await server.listen(next.httpHost, next.httpPort);
      }
      log.adjust(next.logLevel, next.logFormat);
      config = next;
      monitor.apply(next);
    },
  });
  const shutDown = async (signal: NodeJS.Signals): Promise<void> => {
    if (draining) process.exit(128 + (signal === 'SIGINT' ? 2 : 15));
    draining = true;
    log.info('received shutdown signal', { signal });
    reloader.close();
    monitor.close();
    await server.drain(config.shutdownTimeoutMs);
    log.info('shutdown complete');
    // Not by running out of work: a killed probe that hangs in the kernel must not keep the process.
    process.exit(0);
  };
  process.on('SIGTERM', (signal) => void shutDown(signal));
  process.on('SIGINT', (signal) => void shutDown(signal));
  process.on('SIGHUP', () => {
    log.info('received reload signal');
    void reloader.reload();
  });
  monitor.start();
  return undefined;
}

function startFields(config: MonitorConfig) {
  return {
    check_interval: formatDuration(config.checkIntervalMs),
    read_timeout: formatDuration(config.readTimeoutMs),
    shutdown_timeout: formatDuration(config.shutdownTimeoutMs),
    failure_threshold: config.failureThreshold,
    success_threshold: config.successThreshold,
    http_port: config.httpPort,
    log_level: config.logLevel,
    log_format: config.logFormat,
    watchdog: config.watchdog.enabled ? config.watchdog.mode : 'off',
  };
}
