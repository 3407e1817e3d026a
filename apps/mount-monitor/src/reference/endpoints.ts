import { metricsTable } from './metrics.ts';
import { table } from './table.ts';

interface Endpoint {
  readonly path: string;
  readonly type: string;
  readonly answers: string;
  readonly use: string;
}

/** The documentation of each endpoint. A test checks paths and types against the router. */
export const endpoints: readonly Endpoint[] = [
  {
    path: '/healthz/live',
    type: 'application/json',
    answers: '503 if a mount is `unhealthy`, else 200',
    use: 'liveness probe of the *application*, if it holds on to dead mounts',
  },
  {
    path: '/healthz/ready',
    type: 'application/json',
    answers: '200 if every mount is `healthy`, else 503; 503 from SIGTERM on',
    use: 'startup and readiness probe',
  },
  {
    path: '/healthz/status',
    type: 'application/json',
    answers: 'as `/healthz/ready`, with more about each mount and the watchdog',
    use: 'people and scripts',
  },
  {
    path: '/healthz/self',
    type: 'application/json',
    answers: '503 if the checks of a mount have stalled for 3 intervals, else 200',
    use: 'liveness probe of the *monitor*',
  },
  {
    path: '/metrics',
    type: 'text/plain; version=0.0.4; charset=utf-8',
    answers: '200',
    use: 'Prometheus',
  },
  { path: '/version', type: 'application/json', answers: '200', use: '`{"version":"1.2.3"}`' },
  { path: '/', type: 'text/html; charset=utf-8', answers: '200', use: 'the status page, for people' },
];

/** Generates the reference page of endpoints and metrics, in Markdown. */
export function endpointsReference(): string {
  const rows = endpoints.map(({ path, type, answers, use }) => [`\`${path}\``, `\`${type}\``, answers, use]);
  return `${intro}
${table(['path', 'content type', 'answer', 'made for'], rows)}
${bodies}
${metricsTable()}
${afterMetrics}`;
}

const intro = `# Endpoints and metrics

<!-- Generated from apps/mount-monitor/src/reference: npm run generate -w mount-monitor -->

The monitor listens on \`httpPort\` (8080) of \`httpHost\` (all addresses). It answers \`GET\` and \`HEAD\`; other methods get 405,
other paths 404, and a path with \`//\`, \`.\` or \`..\` is redirected to the clean one with 301. Anything that is not a valid request
gets 400, 408 (too slow), 431 (head too large) or 505 (another version of HTTP), and its connection is closed. There is no
authentication, and nothing can be changed through the endpoints; the NetworkPolicy of
[deploy/](../../apps/mount-monitor/deploy/README.md) limits who can reach them.

## Endpoints
`;

const bodies = `The answers of the first three have the same form:

\`\`\`json
{
  "status": "unhealthy",
  "timestamp": "2026-01-01T00:00:30Z",
  "mounts": [
    {
      "name": "movies",
      "path": "/mnt/movies",
      "status": "unhealthy",
      "last_check": "2026-01-01T00:00:29.000Z",
      "failure_count": 3,
      "last_error": "/mnt/movies: no answer within 5000 ms",
      "reason": "timeout"
    }
  ]
}
\`\`\`

\`name\`, \`last_check\`, \`last_error\` and \`reason\` are left out if there is none. The [glossary](glossary.md) explains states and
reasons. \`/healthz/status\` also has, for each mount, \`since\`, \`last_success\`, \`last_duration_ms\`, \`probe_hung\`, \`check_type\`,
\`history\` (the last 60 checks: \`p\` passed, \`f\` failed, \`t\` timed out) and \`filesystem\`, and next to the mounts
\`hung_probes\`, \`predecessor_probes\`, \`watchdog\`, \`version\`, \`started_at\` and \`check_interval_ms\`. \`/healthz/self\` has \`stalled_mounts\`
instead of \`mounts\`.

## Metrics
`;

const afterMetrics = `\`name\` is empty for a mount that has none. A mount's series disappear when it is removed from the
configuration; counters start at 0 with each process. Alert rules are in \`apps/mount-monitor/deploy/alerts\`, and
[what to do about each](../runbook.md); a dashboard for Grafana is \`apps/mount-monitor/deploy/dashboard.json\`.

The histogram's buckets fit \`readTimeout\`: a check that is killed counts with the time until then; one that fails
immediately as \`hung\` is in no bucket. \`mount_monitor_restarts_total\` has a series for each outcome from the start. A restarted
pod is a new pod: count restarts over time with \`sum without (pod, instance)\`.
`;
