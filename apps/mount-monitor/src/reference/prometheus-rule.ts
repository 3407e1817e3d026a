/** Wraps the groups of a plain rule file in a Prometheus operator object, as YAML. */
export function prometheusRule(rules: string): string {
  return `# Made from ../alerts/mount-monitor.rules.yaml: npm run generate -w mount-monitor
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: mount-monitor
spec:
${groupsOf(rules).replaceAll(/^(?=.)/gm, '  ')}`;
}

/** A rule file from `groups:` on, without the comment before it. */
export function groupsOf(rules: string): string {
  return rules.slice(rules.indexOf('groups:\n'));
}
