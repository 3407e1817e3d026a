import type { MonitorConfig } from './config/config.ts';
import { formatDuration } from './config/duration.ts';
import { type ConfigSource, loadConfig } from './config/load.ts';
import { createLogger, type Logger } from './log.ts';
import { requestOf } from './monitor/monitor.ts';
import type { CheckOutcome } from './monitor/outcome.ts';
import { Predecessors } from './monitor/predecessors.ts';
import { Prober } from './monitor/prober.ts';
import { probeCommand } from './probe-command.ts';
import { logWarnings } from './runtime.ts';
import { version } from './version.ts';

/** Checks every mount once, all in parallel, and returns the exit code: 0 if every check passed, else 1. */
export async function checkOnce(source: ConfigSource): Promise<number> {
  const { config, warnings } = await loadConfig(source, true);
  const log = createLogger(config.logLevel, config.logFormat);
  logWarnings(log);
  for (const warning of warnings) log.warn('configuration', { problem: warning });
  const prober = new Prober({ command: probeCommand(), predecessors: new Predecessors() });
  log.info('running in init-container mode', { version, mounts: config.mounts.length });
  const passed = await Promise.all(
    config.mounts.map(async (mount) => {
      const outcome = await prober.check(requestOf(mount), config.readTimeoutMs);
      return note(log, mount, outcome);
    }),
  );
  const failed = passed.filter((pass) => !pass).length;
  if (failed === 0) log.info('all mount checks passed', { count: passed.length });
  else log.error('one or more mount checks failed', { count: failed });
  // Exit without waiting for anything: a killed probe may hang in the kernel.
  process.exit(failed === 0 ? 0 : 1);
}

function note(log: Logger, mount: MonitorConfig['mounts'][number], outcome: CheckOutcome): boolean {
  const subject = { name: mount.name, path: mount.path };
  if (outcome.kind === 'passed') {
    const { durationMs } = outcome;
    log.info('mount check passed', {
      ...subject,
      duration: durationText(durationMs),
      duration_ms: durationMs,
    });
    return true;
  }
  const { reason, error } =
    outcome.kind === 'failed' ? outcome : { reason: undefined, error: describe(outcome) };
  const durationMs = outcome.kind === 'failed' ? outcome.durationMs : undefined;
  log.error('mount check failed', { ...subject, reason, error, duration: durationText(durationMs) });
  return false;
}

function durationText(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : formatDuration(Math.round(milliseconds * 1000) / 1000);
}

function describe(outcome: Exclude<CheckOutcome, { kind: 'passed' | 'failed' }>): string {
  return outcome.kind === 'inconclusive' ? outcome.error : 'the check was interrupted';
}
