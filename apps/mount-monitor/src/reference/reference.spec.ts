import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { createRouter } from '../http/routes.ts';
import { failureReasons } from '../probe/protocol.ts';
import { endpoints, endpointsReference } from './endpoints.ts';
import { metricFamilies } from './metrics.ts';
import { sampleView } from './sample-view.ts';

const source = join(import.meta.dirname, '..');
const root = join(source, '../../..');
const docs = join(root, 'docs');

it.each(endpoints.map(({ path, type }) => [path, type]))(
  '%s answers with the type documented in the reference',
  (path, type) => {
    const { status, headers } = createRouter(sampleView())('GET', path);
    expect([status, headers['content-type']]).toEqual([200, type]);
  },
);

it('the reference documents every endpoint', async () => {
  const text = await readFile(join(source, 'http/routes.ts'), 'utf8');
  const paths = [...text.matchAll(/'(\/(?:[a-z]+(?:\/[a-z]+)*)?)'/g)].map(([, path]) => path ?? '');
  expect([...new Set(paths)].toSorted()).toEqual(endpoints.map(({ path }) => path).toSorted());
});

it.each(['/healthz/live', '/healthz/ready', '/healthz/status', '/healthz/self'])(
  'the reference documents every field of %s',
  (path) => {
    const { body } = createRouter(sampleView())('GET', path);
    const page = endpointsReference();
    const fields = (value: unknown): readonly string[] => {
      if (Array.isArray(value)) return value.flatMap(fields);
      if (typeof value !== 'object' || value === null) return [];
      return Object.entries(value).flatMap(([name, inner]) => [
        name,
        ...(name === 'watchdog' ? [] : fields(inner)),
      ]);
    };
    const missing = fields(JSON.parse(body)).filter((name) => !new RegExp(`["\`]${name}["\`]`).test(page));
    expect(missing).toEqual([]);
  },
);

it('the reference has every metric family of the code, each with its type and series', async () => {
  const text = await readFile(join(source, 'http/metrics.ts'), 'utf8');
  const written = [...text.matchAll(/'(mount_monitor_\w+)'/g)].map(([, name]) => name);
  const families = metricFamilies();
  expect(families.map(({ name }) => name).toSorted()).toEqual(written.toSorted());
  for (const { name, type, series, help } of families) {
    expect(['counter', 'gauge', 'histogram'], name).toContain(type);
    expect(series.length, name).toBeGreaterThan(0);
    expect(help, name).not.toBe('');
  }
});

const pages = ['docs', 'docs/reference', 'apps/mount-monitor/deploy', 'apps/mount-monitor/chart'];
const files = await Promise.all(
  pages.map(async (folder) => {
    const names = await readdir(join(root, folder));
    return names.filter((name) => name.endsWith('.md')).map((name) => join(folder, name));
  }),
);

it.each(['README.md', ...files.flat()])('%s links to pages and headings that exist', async (file) => {
  const text = (await readFile(join(root, file), 'utf8')).replaceAll(/^```.*?^```$/gms, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '');
  for (const link of links.filter((target) => !/^[a-z]+:/.test(target))) {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? join(root, file) : join(root, dirname(file), path);
    await access(target);
    if (anchor === undefined) continue;
    const headings = [...(await readFile(target, 'utf8')).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      slug(title ?? ''),
    );
    expect(headings, link).toContain(anchor);
  }
});

it('the runbook has a section for each reason that the status page links to', async () => {
  const runbook = await readFile(join(docs, 'runbook.md'), 'utf8');
  const sections = [...runbook.matchAll(/^### (\w+)$/gm)].map(([, title]) => title);
  expect(sections.toSorted()).toEqual(failureReasons.toSorted());
});

it('every page that says how many hung mounts fit into a limit agrees with the formula', async () => {
  const formula = /(\d+) MB \+ ([\d.]+) MB × \(mounts/.exec(await readFile(join(docs, 'checks.md'), 'utf8'));
  const [base, each] = [Number(formula?.[1]), Number(formula?.[2])];
  const holds = (mebibytes: number) => Math.round((mebibytes * 1.048576 - base) / each);
  const page = await readFile(join(docs, 'troubleshooting-mounts.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (\d+) MiB \| about (\d+) \|$/gm)];
  expect(rows.map(([, limit]) => limit)).toEqual(['64', '128', '256']);
  for (const [, limit, mounts] of rows) expect(Number(mounts), `${limit} MiB`).toBe(holds(Number(limit)));
  const places = ['deploy/README.md', 'deploy/component/sidecar.yaml', 'chart/mount-monitor/values.yaml'];
  const others = [join(docs, 'checks.md'), ...places.map((file) => join(source, '..', file))];
  for (const file of others) {
    const text = await readFile(file, 'utf8');
    expect(
      [...text.matchAll(/about (\d+) hung mounts/gi)].map(([, count]) => Number(count)),
      file,
    ).toEqual([holds(64)]);
  }
});

/** GitHub's anchor for a heading: lower case, without punctuation, hyphens for spaces. */
function slug(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, '')
    .replaceAll(' ', '-');
}
