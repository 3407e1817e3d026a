import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, posix } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROOT } from './pages.ts';
import { SECTIONS } from './site-pages.ts';

const execute = promisify(execFile);
const BASE = '/mount-monitor/';
const SITE = join(ROOT, '.cache/site-test');
const PICTURES = join(ROOT, '.cache/site-pictures');
const browserPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const hasBrowser = existsSync(browserPath);
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

let server: Server;
let origin = '';
let browser: Browser | undefined;

beforeAll(async () => {
  // Runs as a separate program, since Vite and Vue read the environment when they are loaded.
  const env = {
    ...process.env,
    NODE_ENV: 'production',
    SITE_BASE: BASE,
    GITHUB_REPOSITORY: 'acme/mount-monitor',
  };
  await execute(process.execPath, [join(import.meta.dirname, 'main.ts'), SITE], { env });
  server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const path = posix.normalize(decodeURIComponent(pathname)).slice(BASE.length - 1);
    const file = join(SITE, path.endsWith('/') ? `${path}index.html` : path);
    const body = await readFile(file).catch(() => undefined);
    response.writeHead(body === undefined ? 404 : 200, {
      'content-type': TYPES[posix.extname(file)] ?? 'application/octet-stream',
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // The sandbox needs namespaces that root in a container does not have.
  if (hasBrowser) browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
}, 600_000);

afterAll(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
  await rm(SITE, { recursive: true, force: true });
});

const inBrowser = (title: string, work: (browser: Browser) => Promise<void>): void =>
  it(title, async ({ skip }) => {
    if (browser === undefined) {
      if (process.env.CI) throw new Error(`in CI this test must run, but there is no ${browserPath}`);
      return skip(`needs chromium at ${browserPath}, or at the path in CHROMIUM`);
    }
    return work(browser);
  });

/** Opens a page, and records every request to another host and every error. */
async function open(
  chrome: Browser,
  path: string,
  options: Parameters<Browser['newPage']>[0] = {},
): Promise<{ readonly page: Page; readonly problems: readonly string[] }> {
  const page = await chrome.newPage(options);
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('requestfailed', (request) => problems.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${origin}/`))
      problems.push(`requested ${request.url()}`);
  });
  await page.goto(`${origin}${BASE}${path}`);
  await page.waitForLoadState('networkidle');
  return { page, problems };
}

it('every page of the site is reachable from the home page, with no broken links or anchors', async () => {
  const html = new Map<string, string>();
  const broken: string[] = [];
  const waiting = [`${BASE}index.html`];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (html.has(path)) continue;
    const text = await readFile(join(SITE, path.slice(BASE.length)), 'utf8').catch(() => undefined);
    if (text === undefined) {
      broken.push(path);
      continue;
    }
    html.set(path, text);
    for (const [, href = ''] of text.matchAll(/<a\b[^>]*? href="([^"]+)"/g)) {
      const url = new URL(href, `${origin}${path}`);
      if (url.origin === origin) waiting.push(url.pathname.replace(/\/$/, '/index.html'));
    }
  }
  for (const [path, text] of html) {
    for (const [, href = ''] of text.matchAll(/<a\b[^>]*? href="([^"]+#[^"]+)"/g)) {
      const url = new URL(href, `${origin}${path}`);
      const target = html.get(url.pathname);
      const id = decodeURIComponent(url.hash.slice(1));
      if (url.origin === origin && id !== 'VPContent' && !target?.includes(`id="${id}"`))
        broken.push(`${path}: ${href}`);
    }
  }
  expect(broken).toEqual([]);
  const wanted = SECTIONS.flatMap(({ pages }) => pages.map(({ target }) => `${BASE}${target}.html`));
  expect(wanted.filter((path) => !html.has(path))).toEqual([]);
});

it('the site loads nothing from other hosts', async () => {
  const files = (await readdir(SITE, { recursive: true })).filter((file) => /\.(html|css)$/.test(file));
  for (const file of files) {
    const text = await readFile(join(SITE, file), 'utf8');
    const loaded = [...text.matchAll(/(?:src|srcset|url)(?:=|\()["']?(https?:[^"')\s]+)/g)].map(
      ([, url]) => url,
    );
    expect(loaded, file).toEqual([]);
  }
});

inBrowser('the home page has two entries', async (chrome) => {
  const { page, problems } = await open(chrome, '');
  const doors = page.locator('.VPFeature');
  expect(await doors.count()).toBe(2);
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, 'first-page.png') });
  await doors.nth(0).click();
  await page.waitForURL('**/quick-starts.html');
  // The address changes before the page does.
  await page.locator('h1', { hasText: 'Quick starts' }).waitFor();
  expect(problems).toEqual([]);
  await page.close();
});

inBrowser('search finds an error code and opens its section', async (chrome) => {
  const { page, problems } = await open(chrome, '');
  await page.locator('.VPNavBarSearch button').first().click();
  await page.locator('#localsearch-input').fill('TAG_EXISTS');
  const result = page.locator('.VPLocalSearchBox .result', { hasText: 'TAG_EXISTS' }).first();
  await result.waitFor();
  await page.screenshot({ path: join(PICTURES, 'search.png') });
  await result.click();
  await page.waitForURL('**/reference/errors.html#tag_exists');
  expect(problems).toEqual([]);
  await page.close();
});

inBrowser('the site supports dark mode, and fits a phone', async (chrome) => {
  const paths = ['', 'quick-starts.html', 'checks.html', 'reference/targets.html', 'performance.html'];
  const looks = paths.map(async (path) => {
    const { page, problems } = await open(chrome, path, {
      colorScheme: 'dark',
      viewport: { width: 360, height: 740 },
    });
    const widths = await page.evaluate<readonly number[]>(
      '[document.documentElement.scrollWidth, innerWidth]',
    );
    expect(widths[0], path).toBeLessThanOrEqual(widths[1] ?? 0);
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = [...background.matchAll(/\d+/g)].reduce((sum, [digits]) => sum + Number(digits), 0);
    expect(light, path).toBeLessThan(200);
    await page.screenshot({
      path: join(PICTURES, `phone-${path.replaceAll(/\W/g, '-') || 'first-page'}.png`),
    });
    expect(problems).toEqual([]);
    await page.close();
  });
  await Promise.all(looks);
});
