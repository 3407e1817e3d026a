import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'vitepress';
import { ROOT, readPages, repositoryFiles, withFolders } from './pages.ts';
import { FIRST_PAGE, SECTIONS, sitePages, titleOf } from './site-pages.ts';

/** Where the site comes from and goes to. */
export interface SiteOptions {
  /** Emptied, then filled with the pages as VitePress reads them. */
  readonly staging: string;
  /** Replaced by the site. */
  readonly output: string;
  /** The path that the site is served below, with a slash on both ends. */
  readonly base: string;
  /** The repository, as `https://github.com/acme/tools`. */
  readonly repository: string;
}

/** Builds the documentation site. Throws where a link, an anchor or a picture leads nowhere. */
export async function buildSite({ staging, output, base, repository }: SiteOptions): Promise<void> {
  const files = repositoryFiles();
  const known = withFolders(files);
  const sources = readPages(files);
  const titles = new Map(sources.map((page) => [page.path, titleOf(page)]));
  const pages = sitePages(sources, { known, address: repository });

  await rm(staging, { recursive: true, force: true });
  for (const [path, text] of [...pages, ['index.md', FIRST_PAGE] as const]) {
    const target = join(staging, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
  }
  for (const folder of ['performance', 'pictures']) {
    await cp(join(ROOT, 'docs', folder), join(staging, folder), { recursive: true });
  }
  await mkdir(join(staging, '.vitepress'));
  const config = {
    title: 'mount-monitor',
    description: 'A sidecar that watches network mounts, and the Nx plugin that releases it.',
    lang: 'en',
    // Long names must not push a phone's page apart.
    head: [
      [
        'style',
        {},
        '.vp-doc :not(pre)>code,.vp-doc a{overflow-wrap:anywhere}.vp-doc :not(pre)>code{white-space:normal}.vp-doc pre{overflow-x:auto}',
      ],
    ],
    base,
    outDir: output,
    cacheDir: join(staging, '.vitepress/cache'),
    // Addresses on the web are not looked up: a site that builds today must build tomorrow.
    ignoreDeadLinks: false,
    themeConfig: {
      nav: SECTIONS.slice(0, 2).map(({ title, pages: [first] }) => ({
        text: title,
        link: `/${first?.target}`,
      })),
      sidebar: SECTIONS.map(({ title, pages: items }) => ({
        text: title,
        items: items.map(({ source, target }) => ({ text: titles.get(source), link: `/${target}` })),
      })),
      search: { provider: 'local' },
      outline: [2, 3],
      socialLinks: [{ icon: 'github', link: repository }],
    },
  };
  // VitePress reads its configuration from a file. The anchors are GitHub's, so that a link holds in both places; and what
  // Vue would take for an expression is text.
  await writeFile(
    join(staging, '.vitepress/config.mjs'),
    `import { anchorOf } from ${JSON.stringify(join(import.meta.dirname, 'pages.ts'))};
const asText = (rule) => (...given) => rule(...given).replaceAll('{{', '&#123;&#123;');
const config = ({ renderer: { rules } }) => {
  for (const name of ['text', 'code_inline']) rules[name] = asText(rules[name]);
};
export default { ...${JSON.stringify(config)}, markdown: { anchor: { slugify: anchorOf }, config } };
`,
  );
  try {
    await build(staging);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}
