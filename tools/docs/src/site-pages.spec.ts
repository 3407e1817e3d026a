import { describe, expect, it } from 'vitest';
import { readPages, repositoryFiles, withFolders } from './pages.ts';
import { SECTIONS, sitePages } from './site-pages.ts';

const pages = readPages(repositoryFiles());
const repository = { known: withFolders(repositoryFiles()), address: 'https://github.com/acme/tools' };

function withQuickStarts(text: string) {
  return pages.map((page) =>
    page.path === 'docs/quick-starts.md' ? { ...page, text: `${page.text}\n${text}` } : page,
  );
}

describe('the pages of the site', () => {
  it('the site has every page in docs/', () => {
    const listed = SECTIONS.flatMap((section) => section.pages.map(({ source }) => source));
    const missing = pages
      .map(({ path }) => path)
      .filter((path) => path.startsWith('docs/') && !listed.includes(path));
    expect(missing).toEqual([]);
  });

  it.each([
    ['another page of the site', '[x](checks.md#types)', '[x](checks.md#types)'],
    ['a page at a different path on the site', '[x](../SECURITY.md)', '[x](security.md)'],
    ['a file in the repository', '[x](../LICENSE)', '[x](https://github.com/acme/tools/blob/HEAD/LICENSE)'],
    ['a URL', '[x](https://example.test/)', '[x](https://example.test/)'],
    ['a heading on the same page', '[x](#the-canary)', '[x](#the-canary)'],
  ])('the pages of the site link to %s', (_, markdown, expected) => {
    expect(sitePages(withQuickStarts(markdown), repository).get('quick-starts.md')).toContain(expected);
  });

  it.each([
    ['a page', '[x](nonsense.md)', /nonsense\.md: there is no such file/],
    ['a heading', '[x](checks.md#nonsense)', /checks\.md#nonsense: there is no such heading/],
  ])(
    'the pages of the site are refused if any of them links to %s that does not exist',
    (_, markdown, message) => {
      expect(() => sitePages(withQuickStarts(markdown), repository)).toThrow(message);
    },
  );
});
