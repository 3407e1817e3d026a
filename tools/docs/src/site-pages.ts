import { posix } from 'node:path';
import { anchorsOf, type Link, linksOf, type Page } from './pages.ts';

/** A page of the site: its source file, and its path on the site, without an extension. */
export interface SitePage {
  readonly source: string;
  readonly target: string;
}

/** A section of the menu. */
export interface Section {
  readonly title: string;
  readonly pages: readonly SitePage[];
}

const doc = (name: string): SitePage => ({ source: `docs/${name}.md`, target: name });

/** The site's table of contents. A page that is not listed is not on the site. */
export const SECTIONS: readonly Section[] = [
  {
    title: 'mount-monitor',
    pages: [
      doc('quick-starts'),
      { source: 'apps/mount-monitor/deploy/README.md', target: 'kustomize' },
      { source: 'apps/mount-monitor/chart/README.md', target: 'helm' },
      doc('configuration'),
      doc('checks'),
      doc('watchdog'),
      doc('reference/endpoints'),
      doc('reference/glossary'),
      doc('runbook'),
      doc('dashboard'),
      doc('troubleshooting-mounts'),
      doc('migration'),
    ],
  },
  {
    title: '@prebuilt/nx',
    pages: [
      { source: 'libs/nx/README.md', target: 'plugin' },
      ...['go', 'cargo', 'bun', 'command', 'import'].map((name) => doc(`toolchains/${name}`)),
      { source: 'examples/polyglot/README.md', target: 'example' },
      doc('image'),
      doc('publishing'),
      doc('registries'),
      doc('releasing'),
      doc('nx-release'),
      doc('coming-from'),
      doc('ci-workflow'),
      doc('remote-cache'),
      doc('reference/targets'),
      doc('reference/dockerfile'),
      doc('reference/errors'),
      doc('reference/environment'),
    ],
  },
  {
    title: 'About',
    pages: [
      doc('architecture'),
      doc('performance'),
      doc('dependencies'),
      { source: 'CONTRIBUTING.md', target: 'contributing' },
      { source: 'SECURITY.md', target: 'security' },
      { source: 'docs/decisions/README.md', target: 'decisions/index' },
      ...['0001-bun', '0002-registry-client', '0003-child-processes', '0004-two-builders', '0005-lock'].map(
        (name) => doc(`decisions/${name}`),
      ),
      { source: 'libs/oci/README.md', target: 'oci' },
      { source: 'libs/elf/README.md', target: 'elf' },
    ],
  },
];

/** The repository, for links to files that are not on the site. */
export interface Repository {
  /** The files and folders that exist. */
  readonly known: ReadonlySet<string>;
  /** Such as `https://github.com/acme/tools`. */
  readonly address: string;
}

/** The title of a page: its first heading. */
export function titleOf({ path, text }: Page): string {
  const title = /^# (.+)$/m.exec(text)?.[1];
  if (title === undefined) throw new Error(`${path}: expected a heading, found none`);
  return title;
}

/**
 * The pages of the site by their path, with their links rewritten: to other pages of the site if possible, otherwise to
 * the repository. Throws if a link or its anchor is broken.
 */
export function sitePages(pages: readonly Page[], repository: Repository): ReadonlyMap<string, string> {
  const all = SECTIONS.flatMap((section) => section.pages);
  const targets = new Map(all.map(({ source, target }) => [source, target]));
  const bySource = new Map(pages.map((page) => [page.path, page]));
  return new Map(
    all.map(({ source, target }) => {
      const page = bySource.get(source);
      if (page === undefined) throw new Error(`the site lists ${source}, which does not exist`);
      const links = linksOf(page).map((link) => [link.target, moved(link, target)] as const);
      const text = links.reduce((made, [from, to]) => made.replaceAll(`](${from})`, `](${to})`), page.text);
      return [`${target}.md`, text];

      function moved(link: Link, from: string): string {
        if (link.path === undefined) return link.target;
        const anchor = link.anchor === undefined ? '' : `#${link.anchor}`;
        const there = targets.get(link.path);
        const other = bySource.get(link.path);
        if (link.anchor !== undefined && !anchorsOf(other?.text ?? '').includes(link.anchor)) {
          throw new Error(`${source}: ${link.target}: there is no such heading`);
        }
        if (link.path === source) return anchor;
        if (there !== undefined) return `${posix.relative(posix.dirname(from), there) || '.'}.md${anchor}`;
        if (!repository.known.has(link.path))
          throw new Error(`${source}: ${link.target}: there is no such file`);
        // Pictures are copied next to the pages.
        if (/\.(svg|png)$/.test(link.path)) {
          return posix.relative(posix.dirname(from), link.path.replace(/^docs\//, ''));
        }
        return `${repository.address}/blob/HEAD/${link.path}${anchor}`;
      }
    }),
  );
}

/** The home page, with one entry per audience. */
export const FIRST_PAGE = `---
layout: home
hero:
  name: mount-monitor and @prebuilt/nx
  tagline: A sidecar that watches network mounts, and the plugin that releases it without compiling twice.
features:
  - title: Watch network mounts
    details: For people who run Plex, Jellyfin or Sonarr on rclone, NFS or any FUSE mount, on Kubernetes or with Compose.
    link: /quick-starts
    linkText: Quick starts for mount-monitor
  - title: Release compiled programs
    details: For maintainers of an Nx workspace. Compile once, verify, and ship those very bytes as assets and as an image.
    link: /plugin
    linkText: Quick start for @prebuilt/nx
---
`;
