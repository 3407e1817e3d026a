import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'vitepress';
import { ROOT, readPages, repositoryFiles, withFolders } from './pages.ts';
import { FIRST_PAGE, SECTIONS, sitePages, titleOf } from './site-pages.ts';

/** Input and output of the site. */
export interface SiteOptions {
  /** Cleared, then filled with the pages in the form that VitePress reads. */
  readonly staging: string;
  /** The folder that the site replaces. */
  readonly output: string;
  /** The path that the site is served under, with a slash at both ends. */
  readonly base: string;
  /** The repository, such as `https://github.com/acme/tools`. */
  readonly repository: string;
}

/** Builds the documentation site. Throws if a link, an anchor or a picture is broken. */
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
    // Long names must not make a page wider than a phone's screen.
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
    // External links are not checked: a site that builds today must build tomorrow.
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
  // VitePress reads its configuration from a file. Anchors are made the way GitHub makes them, so that links work in
  // both places. What Vue would read as an expression is rendered as text.
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
