// Replaces the placeholder OWNER with the address of this copy everywhere: npm run address -- acme/mount-monitor
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withAddress } from './address.ts';
import { ROOT, repositoryFiles } from './pages.ts';

const repository = process.argv[2] ?? '';
const changed: string[] = [];
for (const path of repositoryFiles()) {
  if (path.startsWith('tools/docs/src/address') || !/\.(ts|md|json|ya?ml|tpl)$|CODEOWNERS$/.test(path))
    continue;
  const text = readFileSync(join(ROOT, path), 'utf8');
  const written = withAddress(text, repository);
  if (written === text) continue;
  writeFileSync(join(ROOT, path), written);
  changed.push(path);
  console.log(path);
}
// A longer or shorter address changes where lines break.
if (changed.length > 0) {
  const args = ['check', '--write', '--no-errors-on-unmatched', ...changed];
  execFileSync('biome', args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
}
