import { table } from './table.ts';

/** The part of Grafana's dashboard model that is used here. */
export interface Dashboard {
  readonly panels: readonly {
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

const COLUMN = 40;
const ROW = 16;
const GAP = 4;

/** Draws the dashboard's panels in Grafana's layout, each with its title, for light and dark pages. */
export function dashboardPicture({ panels }: Dashboard): string {
  const height = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * ROW;
  const boxes = panels.map(({ title, type, gridPos: { x, y, w, h } }) => {
    const [left, top] = [x * COLUMN + GAP, y * ROW + GAP];
    const box = `<rect x="${left}" y="${top}" width="${w * COLUMN - 2 * GAP}" height="${h * ROW - 2 * GAP}" rx="4"/>`;
    const words = escapeText(title);
    return `${box}<text x="${left + 10}" y="${top + 20}">${words}</text><text class="dim" x="${left + 10}" y="${top + 38}">${type}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${24 * COLUMN} ${height}" role="img" aria-label="The panels of the dashboard">
<style>rect{fill:#f6f7f9;stroke:#8b949e}text{font:13px system-ui,sans-serif;fill:#1a1d21}.dim{font-size:11px;fill:#5b6470}
@media(prefers-color-scheme:dark){rect{fill:#181c22}text{fill:#e6e9ed}.dim{fill:#9aa4b0}}</style>
${boxes.join('\n')}
</svg>
`;
}

/** Generates the dashboard's page: the picture, and each panel with its metrics. */
export function dashboardPage({ panels }: Dashboard): string {
  const rows = panels.map(({ title, targets }) => {
    const metrics = targets.flatMap(({ expr }) => expr.match(/mount_monitor_\w+/g) ?? []);
    const names = [...new Set(metrics.map((name) => name.replace(/_(bucket|sum|count)$/, '')))];
    return [title, names.map((name) => `\`${name}\``).join(', ')];
  });
  return `# The dashboard

<!-- Generated from apps/mount-monitor/deploy/dashboard.json: npm run generate -w mount-monitor -->

\`apps/mount-monitor/deploy/dashboard.json\` is a dashboard for Grafana 10 or later: *Dashboards → New → Import*, then choose a
Prometheus data source. Its variables limit it to namespaces and pods. What is wrong is in the first row.

![The panels of the dashboard, where Grafana puts them](pictures/dashboard.svg)

The picture is drawn from the file; a test holds every query against the metrics and labels that exist.

${table(['panel', 'metrics'], rows)}
What each metric means: [endpoints and metrics](reference/endpoints.md#metrics). What to do: [runbook](runbook.md).
`;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
