// Builds the documentation site into dist/site, or into the given folder. SITE_BASE is the path that it is served
// under; GITHUB_REPOSITORY is the repository that it links to.
import { join, resolve } from 'node:path';
import { buildSite } from './build-site.ts';
import { ROOT } from './pages.ts';

const { SITE_BASE = '/', GITHUB_SERVER_URL = 'https://github.com', GITHUB_REPOSITORY } = process.env;
await buildSite({
  staging: join(ROOT, `.cache/site-${process.pid}`),
  output: resolve(process.argv[2] ?? join(ROOT, 'dist/site')),
  base: SITE_BASE,
  repository: `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY ?? 'OWNER/mount-monitor'}`,
});
