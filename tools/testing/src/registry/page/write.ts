// Writes docs/registries.md; with --check, only checks whether it is up to date.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { registriesPage } from './registries-page.ts';

const PAGE = join(import.meta.dirname, '../../../../../docs/registries.md');
const expected = registriesPage();
if (!process.argv.includes('--check')) await writeFile(PAGE, expected);
else if ((await readFile(PAGE, 'utf8').catch(() => '')) !== expected) {
  console.error('docs/registries.md does not match tools/testing/src/registry: run npm run generate');
  process.exitCode = 1;
}
