import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chartValuesSchema } from '../reference/chart-values.ts';
import { dashboardPage, dashboardPicture } from '../reference/dashboard.ts';
import { endpointsReference } from '../reference/endpoints.ts';
import { glossary } from '../reference/glossary.ts';
import { groupsOf, prometheusRule } from '../reference/prometheus-rule.ts';
import { configJsonSchema, configReference } from './reference.ts';

/** The generated files and their expected content; a test compares them. */
export function generatedFiles(): ReadonlyMap<URL, string> {
  const app = (path: string) => new URL(`../../${path}`, import.meta.url);
  const docs = (path: string) => new URL(`../../../../docs/${path}`, import.meta.url);
  const rules = readFileSync(app('deploy/alerts/mount-monitor.rules.yaml'), 'utf8');
  const dashboard = JSON.parse(readFileSync(app('deploy/dashboard.json'), 'utf8'));
  return new Map([
    [app('config.schema.json'), json(configJsonSchema())],
    [docs('configuration.md'), configReference()],
    [docs('dashboard.md'), dashboardPage(dashboard)],
    [docs('pictures/dashboard.svg'), dashboardPicture(dashboard)],
    [docs('reference/endpoints.md'), endpointsReference()],
    [docs('reference/glossary.md'), glossary()],
    [app('chart/mount-monitor/values.schema.json'), json(chartValuesSchema())],
    [app('chart/mount-monitor/files/mount-monitor.rules.yaml'), groupsOf(rules)],
    [app('deploy/pod-monitor/prometheus-rule.yaml'), prometheusRule(rules)],
  ]);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

if (process.argv[1] === import.meta.filename) {
  for (const [file, text] of generatedFiles()) {
    if (process.argv.includes('--check')) {
      if ((await readFile(file, 'utf8').catch(() => undefined)) === text) continue;
      console.error(`${fileURLToPath(file)}: out of date; run npm run generate`);
      process.exitCode = 1;
      continue;
    }
    await mkdir(new URL('.', file), { recursive: true });
    await writeFile(file, text);
  }
}
