import { durationBounds, type MountSnapshot } from '../monitor/mount-record.ts';
import { mountStatuses } from '../monitor/state.ts';
import type { View } from './view.ts';

type Labels = Readonly<Record<string, string>>;
type MetricType = 'counter' | 'gauge' | 'histogram';

/**
 * Renders all metrics in the text format, version 0.0.4:
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function renderMetrics(view: View): string {
  const out = new Exposition();
  const mounts = view.mounts().map((mount) => ({ mount, labels: labelsOf(mount) }));
  const each = (write: (mount: MountSnapshot, labels: Labels) => void): void => {
    for (const { mount, labels } of mounts) write(mount, labels);
  };

  out.family('mount_monitor_build_info', 'gauge', 'The running version, as a label; always 1.');
  out.sample('', { version: view.version }, 1);

  out.family('mount_monitor_mount_up', 'gauge', 'Whether the mount is healthy (1) or not (0).');
  each(({ state }, labels) => out.sample('', labels, state.status === 'healthy' ? 1 : 0));

  out.family('mount_monitor_mount_state', 'gauge', '1 for the state that the mount is in.');
  each(({ state }, labels) => {
    for (const status of mountStatuses) {
      out.sample('', { ...labels, state: status }, status === state.status ? 1 : 0);
    }
  });

  out.family('mount_monitor_consecutive_failures', 'gauge', 'Consecutive failed checks of the mount.');
  each(({ state }, labels) => out.sample('', labels, state.failures));

  out.family('mount_monitor_last_check_timestamp_seconds', 'gauge', 'When the mount was last checked.');
  each(({ lastCheck }, labels) => out.time(labels, lastCheck));

  out.family(
    'mount_monitor_last_success_timestamp_seconds',
    'gauge',
    'When a check of the mount last passed.',
  );
  each(({ lastSuccess }, labels) => out.time(labels, lastSuccess));

  out.family(
    'mount_monitor_probe_hung',
    'gauge',
    'Whether a killed probe of the mount still hangs in the kernel.',
  );
  each((mount, labels) => out.sample('', labels, view.isHung(mount) ? 1 : 0));

  out.family(
    'mount_monitor_predecessor_probes_hung',
    'gauge',
    'Probes of earlier monitors that still hang in the kernel.',
  );
  out.sample('', {}, view.predecessorProbes());

  out.family(
    'mount_monitor_checks_total',
    'counter',
    'Checks by result (passed, failed, inconclusive) and, for failures, reason.',
  );
  each(({ checks }, labels) => {
    for (const [series, count] of checks) {
      const [result = '', reason = ''] = series.split(':');
      out.sample('', { ...labels, result, reason }, count);
    }
  });

  out.family('mount_monitor_state_transitions_total', 'counter', 'Changes from one state to another.');
  each(({ transitions }, labels) => {
    for (const [series, count] of transitions) {
      const [from = '', to = ''] = series.split(':');
      out.sample('', { ...labels, from, to }, count);
    }
  });

  out.family('mount_monitor_check_duration_seconds', 'histogram', 'How long checks spent on the mount.');
  each(({ durations }, labels) => {
    let cumulative = 0;
    for (const [index, bound] of durationBounds.entries()) {
      cumulative += durations.counts[index] ?? 0;
      out.sample('_bucket', { ...labels, le: String(bound) }, cumulative);
    }
    out.sample('_bucket', { ...labels, le: '+Inf' }, durations.count);
    out.sample('_sum', labels, durations.sumSeconds);
    out.sample('_count', labels, durations.count);
  });

  const watchdog = view.watchdog();
  out.family('mount_monitor_restarts_total', 'counter', 'Restarts that the watchdog decided on, by outcome.');
  for (const [outcome, count] of watchdog.restarts) out.sample('', { outcome }, count);

  out.family(
    'mount_monitor_kube_api_requests_total',
    'counter',
    'Requests to the Kubernetes API, by verb and code.',
  );
  for (const [series, count] of watchdog.kubeRequests) {
    const [verb = '', code = ''] = series.split(' ');
    out.sample('', { verb, code }, count);
  }

  out.family('mount_monitor_watchdog_state', 'gauge', '1 for the state that the watchdog is in.');
  for (const state of watchdog.states) out.sample('', { state }, state === watchdog.status.state ? 1 : 0);

  const reloads = view.reloads();
  out.family(
    'mount_monitor_config_last_reload_successful',
    'gauge',
    'Whether the current configuration file is in use (1) or was rejected (0).',
  );
  out.sample('', {}, reloads.lastSuccessful ? 1 : 0);
  out.family(
    'mount_monitor_config_last_reload_success_timestamp_seconds',
    'gauge',
    'When the configuration in use was read.',
  );
  out.time({}, reloads.lastSuccessAt);
  writeHttp(out, view);

  out.family(
    'mount_monitor_log_lines_lost_total',
    'counter',
    'Log lines that could not be written because nobody read them or the disk was full.',
  );
  out.sample('', {}, view.lostLogLines());
  return out.text();
}

function writeHttp(out: Exposition, view: View): void {
  const http = view.http();
  if (http === undefined) return;
  out.family('mount_monitor_http_connections', 'gauge', 'Open connections.');
  out.sample('', {}, http.open);
  out.family('mount_monitor_http_connections_total', 'counter', 'Connections accepted.');
  out.sample('', {}, http.accepted);
  out.family(
    'mount_monitor_http_connections_cut_total',
    'counter',
    'Connections ended because of what their clients did.',
  );
  for (const [reason, count] of http.cut) out.sample('', { reason }, count);
  out.family('mount_monitor_http_requests_total', 'counter', 'Requests answered, by status.');
  for (const [code, count] of http.answers) out.sample('', { code: String(code) }, count);
}

/** The ID distinguishes mounts that share a name and path, so that no series occurs twice. */
function labelsOf({ config }: MountSnapshot): Labels {
  return { name: config.name === undefined && config.id === config.path ? '' : config.id, path: config.path };
}

class Exposition {
  readonly #lines: string[] = [];
  #name = '';

  family(name: string, type: MetricType, help: string): void {
    this.#name = name;
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  sample(suffix: '' | '_bucket' | '_sum' | '_count', labels: Labels, value: number): void {
    const pairs = Object.entries(labels).map(([name, text]) => `${name}="${escapeLabel(text)}"`);
    const set = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
    this.#lines.push(`${this.#name}${suffix}${set} ${value}`);
  }

  /** A time in seconds since the epoch; no sample if there is none. */
  time(labels: Labels, moment: Date | undefined): void {
    if (moment !== undefined) this.sample('', labels, moment.getTime() / 1000);
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

function escapeLabel(text: string): string {
  return text.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
