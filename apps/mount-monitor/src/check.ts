import type { MonitorConfig, MountConfig } from './config/config.ts';
import { type ConfigSource, loadConfig } from './config/load.ts';
import { requestOf } from './monitor/monitor.ts';
import type { CheckOutcome } from './monitor/outcome.ts';
import { Predecessors } from './monitor/predecessors.ts';
import { Prober } from './monitor/prober.ts';
import { probeCommand } from './probe-command.ts';

/** One mount's entry in the report, with the same keys as `/healthz/status`. */
export interface CheckReport {
  readonly name?: string | undefined;
  readonly path: string;
  readonly check_type: string;
  readonly status: 'passed' | 'failed' | 'inconclusive';
  readonly reason?: string | undefined;
  readonly error?: string | undefined;
  readonly duration_ms?: number | undefined;
  readonly filesystem?:
    | { readonly type: string; readonly mount_point: string; readonly mounted: boolean }
    | undefined;
}

/**
 * Checks every mount once, all in parallel, prints a table or one JSON object, and exits the process: 0 if every check
 * passed, else 1. Meant for people at a shell and for probes that run a command.
 */
export async function checkAndReport(source: ConfigSource, asJson: boolean): Promise<never> {
  const { config, warnings } = await loadConfig(source);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  const reports = await checkAll(config);
  const passed = reports.every(({ status }) => status === 'passed');
  const text = asJson
    ? `${JSON.stringify({ status: passed ? 'healthy' : 'unhealthy', mounts: reports })}\n`
    : tableOf(reports);
  await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
  // Exit without waiting for anything else: a killed probe may hang in the kernel.
  process.exit(passed ? 0 : 1);
}

/** Skips mounts on which a killed probe already hangs, whether the monitor or an earlier check started it. */
async function checkAll(config: MonitorConfig): Promise<readonly CheckReport[]> {
  const prober = new Prober({ command: probeCommand(), predecessors: new Predecessors() });
  return Promise.all(
    config.mounts.map(async (mount) =>
      reportOf(mount, await prober.check(requestOf(mount), config.readTimeoutMs)),
    ),
  );
}

function reportOf({ name, path, checkType }: MountConfig, outcome: CheckOutcome): CheckReport {
  const subject = { name, path, check_type: checkType };
  if (outcome.kind === 'cancelled')
    return { ...subject, status: 'inconclusive', error: 'the check was interrupted' };
  if (outcome.kind === 'inconclusive') return { ...subject, status: 'inconclusive', error: outcome.error };
  const { mount, durationMs } = outcome;
  return {
    ...subject,
    status: outcome.kind,
    ...(outcome.kind === 'failed' ? { reason: outcome.reason, error: outcome.error } : {}),
    duration_ms: durationMs,
    filesystem: mount && { type: mount.fsType, mount_point: mount.mountPoint, mounted: mount.mounted },
  };
}

/** Pads each column to its longest cell, except the last one, the error. */
export function tableOf(reports: readonly CheckReport[]): string {
  const rows = reports.map((report) => [
    report.name ?? report.path,
    report.status,
    report.reason ?? '',
    report.duration_ms === undefined ? '' : `${report.duration_ms.toFixed(1)} ms`,
    report.filesystem?.type ?? '',
    report.error ?? '',
  ]);
  const table = [['MOUNT', 'STATUS', 'REASON', 'TIME', 'TYPE', 'ERROR'], ...rows].map((row) =>
    row.map((cell) => cell.replace(/\p{Cc}/gu, '?')),
  );
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
