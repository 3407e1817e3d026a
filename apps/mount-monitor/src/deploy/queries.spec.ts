import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { deployFolder, works } from '../../testing/manifests.ts';
import { need } from '../../testing/needs.ts';
import { cutReasons } from '../http/connection.ts';
import { mountStatuses } from '../monitor/state.ts';
import { failureReasons } from '../probe/protocol.ts';
import { metricFamilies } from '../reference/metrics.ts';
import { restartOutcomes, watchdogStates } from '../watchdog/machine-types.ts';

const execute = promisify(execFile);
const needPromtool = need(
  'promtool',
  await works('promtool', ['--version']),
  'on the path (Debian package prometheus)',
);

const alerts = join(deployFolder, 'alerts');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly runbook_url: string };
}
const ruleFile = parse(await readFile(join(alerts, 'mount-monitor.rules.yaml'), 'utf8'));
const rules: readonly Rule[] = ruleFile.groups[0].rules;

interface Dashboard {
  readonly uid: string;
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}
const dashboard: Dashboard = JSON.parse(await readFile(join(deployFolder, 'dashboard.json'), 'utf8'));
const targets = dashboard.panels.flatMap((panel) =>
  panel.targets.map((target) => ({ ...target, title: panel.title })),
);

/**
 * Labels that Prometheus (https://prometheus.io/docs/concepts/jobs_instances/) and the operator add to every series.
 */
const targetLabels = ['job', 'instance', 'namespace', 'pod', 'container'];
const families = metricFamilies();
const checkResults = ['passed', 'failed', 'inconclusive'];
const values: Readonly<Record<string, readonly string[]>> = {
  state: [...mountStatuses, ...watchdogStates],
  from: mountStatuses,
  to: mountStatuses,
  outcome: restartOutcomes,
  result: checkResults,
  reason: ['', ...failureReasons, ...cutReasons],
};

/** Metrics, labels and label values in a PromQL expression that do not exist. */
function unknownNames(expr: string): readonly string[] {
  const problems: string[] = [];
  const labels = new Set(targetLabels);
  for (const [name] of expr.replaceAll(/"[^"]*"/g, '""').matchAll(/\b(mount_monitor_\w+|up)\b/g)) {
    const family = families.find(({ series }) => series.includes(name));
    if (family === undefined && name !== 'up') problems.push(name);
    for (const label of family?.labels ?? []) labels.add(label);
  }
  const matchers = [...expr.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)];
  const grouped = [...expr.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)].flatMap(([, list]) =>
    (list ?? '').split(',').map((label) => label.trim()),
  );
  for (const label of [...matchers.map(([, name]) => name ?? ''), ...grouped]) {
    if (!labels.has(label)) problems.push(label);
  }
  // A label of one metric may not exist on another.
  for (const [, name = '', list = ''] of expr.matchAll(/\b(mount_monitor_\w+)\{([^}]*)\}/g)) {
    const own = families.find(({ series }) => series.includes(name))?.labels ?? [];
    for (const [, label = ''] of list.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)) {
      if (labels.has(label) && !targetLabels.includes(label) && !own.includes(label)) problems.push(label);
    }
  }
  for (const [, label = '', operator = '', text = ''] of matchers) {
    const known = values[label];
    const parts = operator.endsWith('~') ? text.split('|') : [text];
    if (known !== undefined) problems.push(...parts.filter((part) => !known.includes(part)));
  }
  return problems;
}

/** The labels of an expression's series: those it groups by, or those of its metrics. */
function labelsOf(expr: string): readonly string[] {
  const grouped = /\bby\s*\(([^)]*)\)/.exec(expr)?.[1];
  if (grouped !== undefined) return grouped.split(',').map((label) => label.trim());
  const named = families.filter(({ series }) =>
    series.some((name) => new RegExp(`\\b${name}\\b`).test(expr)),
  );
  return [...targetLabels, ...named.flatMap(({ labels }) => labels)];
}

describe('alert rules', () => {
  it.each(rules.map(({ alert, expr }) => [alert, expr]))(
    '%s queries metrics and labels that exist',
    (_, expr) => {
      expect(unknownNames(expr)).toEqual([]);
    },
  );

  needPromtool('promtool accepts the rules, and their tests pass', async () => {
    await execute('promtool', ['check', 'rules', join(alerts, 'mount-monitor.rules.yaml')]);
    const { stdout } = await execute('promtool', [
      'test',
      'rules',
      join(alerts, 'mount-monitor.rules.test.yaml'),
    ]);
    expect(stdout).toContain('SUCCESS');
  });

  it('every alert has a test in which it fires and one in which it stays silent', async () => {
    const { tests } = parse(await readFile(join(alerts, 'mount-monitor.rules.test.yaml'), 'utf8'));
    const cases: { alertname: string; exp_alerts: unknown[] }[] = tests.flatMap(
      (test: { alert_rule_test: unknown }) => test.alert_rule_test,
    );
    for (const { alert } of rules) {
      const own = cases
        .filter(({ alertname }) => alertname === alert)
        .map(({ exp_alerts }) => exp_alerts.length > 0);
      expect(own, alert).toContain(true);
      expect(own, alert).toContain(false);
    }
  });

  it('the rules’ tests use series that exist', async () => {
    const { tests } = parse(await readFile(join(alerts, 'mount-monitor.rules.test.yaml'), 'utf8'));
    const series: string[] = tests.flatMap((test: { input_series: { series: string }[] }) =>
      test.input_series.map((each) => each.series),
    );
    expect(series.length).toBeGreaterThan(20);
    expect(series.flatMap(unknownNames)).toEqual([]);
  });

  it('every alert has a section in the runbook, and every section has an alert', async () => {
    const runbook = await readFile(join(deployFolder, '../../../docs/runbook.md'), 'utf8');
    const sections = [...runbook.matchAll(/^## (MountMonitor\w+)$/gm)].map(([, title]) => title);
    expect(sections).toEqual(rules.map(({ alert }) => alert));
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook_url.split('#')).toEqual([
        'https://github.com/OWNER/mount-monitor/blob/main/docs/runbook.md',
        alert.toLowerCase(),
      ]);
    }
  });
});

describe('dashboard', () => {
  it.each(targets.map(({ title, expr, legendFormat }) => [title, expr, legendFormat]))(
    'panel "%s" queries metrics and labels that exist',
    (_, expr, legendFormat) => {
      expect(unknownNames(expr)).toEqual([]);
      const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label ?? '');
      expect(shown.filter((label) => !labelsOf(expr).includes(label))).toEqual([]);
    },
  );

  it('the dashboard shows every metric', () => {
    const text = targets.map(({ expr }) => expr).join('\n');
    const missing = families.filter(
      ({ series }) => !series.some((name) => new RegExp(`\\b${name}\\b`).test(text)),
    );
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it('the dashboard’s variables query metrics that exist, and its queries use all of them', () => {
    const queries = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);
    expect(queries.length).toBe(2);
    expect(queries.flatMap(unknownNames)).toEqual([]);
    for (const { expr } of targets) {
      expect(expr).toContain('$namespace');
      expect(expr).toContain('$pod');
    }
  });

  it('every panel has a unique ID', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  needPromtool('every query of the dashboard is valid PromQL', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dashboard-'));
    const file = join(folder, 'rules.yaml');
    const exprs = targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m'));
    const records = exprs.map((expr, index) => ({ record: `panel:${index}`, expr }));
    await writeFile(file, stringify({ groups: [{ name: 'dashboard', rules: records }] }));
    const { stdout } = await execute('promtool', ['check', 'rules', file]);
    expect(stdout).toContain(`${targets.length} rules found`);
    await rm(folder, { recursive: true });
  });
});

it.each([
  ['mount_monitor_mounts_up', ['mount_monitor_mounts_up']],
  ['sum by (mount) (mount_monitor_mount_up)', ['mount']],
  ['mount_monitor_mount_state{state="sick"}', ['sick']],
  ['mount_monitor_watchdog_state{state=~"armed|loaded"}', ['loaded']],
  ['mount_monitor_restarts_total{path="/mnt"}', ['path']],
  ['mount_monitor_mount_up{path="/mnt"} * mount_monitor_restarts_total{path="/mnt"}', ['path']],
])('the check of queries finds the mistake in %s', (expr, wrong) => {
  expect(unknownNames(expr)).toEqual(wrong);
});
