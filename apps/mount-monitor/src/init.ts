import type { MonitorConfig } from './config/config.ts';
import { type ConfigSource, loadConfig } from './config/load.ts';
import { createLogger, type Logger } from './log.ts';
import { requestOf } from './monitor/monitor.ts';
import type { CheckOutcome } from './monitor/outcome.ts';
import { Prober } from './monitor/prober.ts';
import { probeCommand } from './probe-command.ts';

/** Checks every mount once, all in parallel, and returns the exit code: 0 if every check passed, else 1. */
export async function checkOnce(source: ConfigSource): Promise<number> {
  const { config, warnings } = await loadConfig(source);
  const log = createLogger(config.logLevel, config.logFormat);
  for (const warning of warnings) log.warn('configuration', { problem: warning });
  const prober = new Prober({ command: probeCommand() });
  log.info('init container mode: checking every mount once', { mounts: config.mounts.length });
  const passed = await Promise.all(
    config.mounts.map(async (mount) => {
      const outcome = await prober.check(requestOf(mount), config.readTimeoutMs);
      return note(log, mount, outcome);
    }),
  );
  const failed = passed.filter((pass) => !pass).length;
  if (failed === 0) log.info('init container mode: all mounts passed', { mounts: passed.length });
  else log.error('init container mode: mounts failed', { mounts: passed.length, failed });
  // Nothing is waited for: a killed probe may hang in the kernel.
  process.exit(failed === 0 ? 0 : 1);
}

function note(log: Logger, mount: MonitorConfig['mounts'][number], outcome: CheckOutcome): boolean {
  const subject = { name: mount.name, path: mount.path };
  if (outcome.kind === 'passed') {
    log.info('health check passed', { ...subject, duration_ms: outcome.durationMs });
    return true;
  }
  const { reason, error } =
    outcome.kind === 'failed' ? outcome : { reason: undefined, error: describe(outcome) };
  log.error('health check failed', { ...subject, reason, error });
  return false;
}

function describe(outcome: Exclude<CheckOutcome, { kind: 'passed' | 'failed' }>): string {
  return outcome.kind === 'inconclusive' ? outcome.error : 'the check was cut short';
}
