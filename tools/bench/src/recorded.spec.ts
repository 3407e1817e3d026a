import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readmeWith, reportOf } from './recorded.ts';
import { readResults } from './results.ts';

const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
const recorded = await readResults(join(ROOT, 'bench/results.json'));

it('the README’s figures match bench/results.json (npm run bench -- --report)', async () => {
  const readme = await read('README.md');
  expect(readmeWith(recorded, readme)).toBe(readme);
});

it('docs/performance.md and its charts match bench/results.json (npm run bench -- --report)', async () => {
  const { document, charts } = reportOf(recorded);
  expect(document).toBe(await read('docs/performance.md'));
  for (const { path, svg } of charts) expect(svg, path).toBe(await read(`docs/${path}`));
});

it('the README’s block begins with the sizes of executable and image, next to those of the Go program', async () => {
  const block = /<!-- bench:begin.*?-->\n\n(.*?)\n\n/s.exec(await read('README.md'))?.[1] ?? '';
  const rows = block.split('\n').map((row) => row.split(' | '));
  expect(rows[0]?.at(-1)).toContain('debrid-mount-monitor');
  expect(rows.slice(2).map(([name]) => name)).toEqual([
    '| executable',
    '| image to pull',
    '| image, unpacked',
  ]);
});
