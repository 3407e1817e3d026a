import { renderMetrics } from '../http/metrics.ts';
import { sampleView } from './sample-view.ts';
import { table } from './table.ts';

/** One metric family, as `/metrics` describes it. */
export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** The labels of any of its series, in order. */
  readonly labels: readonly string[];
  /** The names of its series; a histogram has several. */
  readonly series: readonly string[];
}

/** Every metric family, in order, read from an actual `/metrics` answer. */
export function metricFamilies(): readonly MetricFamily[] {
  const families: { name: string; type: string; help: string; labels: Set<string>; series: Set<string> }[] =
    [];
  for (const line of renderMetrics(sampleView()).split('\n')) {
    const help = /^# HELP (\S+) (.*)$/.exec(line);
    const type = /^# TYPE \S+ (\S+)$/.exec(line);
    const sample = /^([a-z_]+)(?:\{(.*)\})? \S+$/.exec(line);
    const family = families.at(-1);
    if (help !== null) {
      families.push({
        name: help[1] ?? '',
        type: '',
        help: help[2] ?? '',
        labels: new Set(),
        series: new Set(),
      });
    } else if (family !== undefined && type !== null) {
      family.type = type[1] ?? '';
    } else if (family !== undefined && sample !== null) {
      family.series.add(sample[1] ?? '');
      for (const [, label] of (sample[2] ?? '').matchAll(/([a-z_]+)="(?:[^"\\]|\\.)*"/g)) {
        family.labels.add(label ?? '');
      }
    }
  }
  return families.map((family) => ({ ...family, labels: [...family.labels], series: [...family.series] }));
}

/** Generates the table of all metrics, in Markdown. */
export function metricsTable(): string {
  const rows = metricFamilies().map(({ name, type, labels, help }) => {
    const names = labels.map((label) => `\`${label}\``).join(', ');
    return [`\`${name}\``, type, names, help];
  });
  return table(['metric', 'type', 'labels', 'meaning'], rows);
}
