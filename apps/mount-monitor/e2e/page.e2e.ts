import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject } from 'vitest';
import { documentation } from '../src/documentation.ts';
import { MonitorProcess, Scratch } from '../testing/monitor-process.ts';
import { need } from '../testing/needs.ts';

const executable = inject('executable');
const browserPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const hasBrowser = existsSync(browserPath);
const inBrowser = need('chromium', hasBrowser, `at ${browserPath}, or at $CHROMIUM`);
const artifacts = fileURLToPath(new URL('../.cache/', import.meta.url));

/** Evaluated in the page: how often it was loaded. */
const navigations = "performance.getEntriesByType('navigation').length";

const evilName = '<img src=x onerror="document.title=1"><b>bold</b>';

let browser: Browser | undefined;
beforeAll(async () => {
  if (!hasBrowser) return;
  // The sandbox needs namespaces, which root in a container does not have.
  browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

interface Shown extends AsyncDisposable {
  readonly page: Page;
  readonly monitor: MonitorProcess;
  readonly scratch: Scratch;
  readonly problems: readonly string[];
}

/** Opens the status page of a monitor with one healthy mount and one whose name is markup. */
async function show(options: { colorScheme?: 'dark' | 'light'; width?: number } = {}): Promise<Shown> {
  if (browser === undefined) throw new Error('no browser');
  const scratch = new Scratch();
  const mounts = [
    { path: scratch.mount('good'), name: 'movies' },
    {
      path: join(scratch.path, 'a-rather-long-path-of-a-mount-that-is-not-there/'.repeat(3)),
      name: evilName,
      failureThreshold: 1,
    },
  ];
  const config = { checkInterval: '1s', readTimeout: '900ms', mounts, watchdog: { enabled: true } };
  const monitor = await MonitorProcess.start(executable, scratch, config);
  await monitor.untilStatus('healthy', 0);
  await monitor.untilStatus('unhealthy', 1);
  const page = await browser.newPage({
    colorScheme: options.colorScheme ?? 'light',
    viewport: { width: options.width ?? 1000, height: 800 },
  });
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // The monitor answers 503 while a mount is unhealthy, which the browser logs.
    if (message.type() === 'error' && !message.text().includes('503')) problems.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(`http://127.0.0.1:${monitor.port}/`))
      problems.push(`requested ${request.url()}`);
  });
  await page.goto(`http://127.0.0.1:${monitor.port}/`);
  await page.waitForSelector('article');
  return {
    page,
    monitor,
    scratch,
    problems,
    async [Symbol.asyncDispose]() {
      await page.close();
      await monitor[Symbol.asyncDispose]();
      scratch[Symbol.dispose]();
    },
  };
}

describe('status page', () => {
  inBrowser('the status page shows each mount’s state and recent checks, and the watchdog', async () => {
    await using shown = await show();
    const { page, problems } = shown;
    const good = page.locator('article').nth(1);
    expect(await good.locator('h2').textContent()).toBe('movies');
    expect(await good.locator('.state').textContent()).toBe('healthy');
    expect(await good.locator('.body').textContent()).toBe('');
    await good.locator('summary').click();
    // The page fills what opens a moment later.
    await good.getByText('last check').waitFor();
    const text = (await good.textContent()) ?? '';
    for (const part of ['since', 'last check', 'ago', 'took', ' ms', 'file system'])
      expect(text).toContain(part);
    expect(await good.locator('.history i').count()).toBeGreaterThan(0);
    const bad = (await page.locator('article').nth(0).textContent()) ?? '';
    for (const part of ['unhealthy', 'missing', 'ENOENT', 'in a row', 'what to do'])
      expect(bad).toContain(part);
    expect(await page.locator('article a').getAttribute('href')).toBe(`${documentation}/runbook.md#missing`);
    expect(await page.locator('#watchdog-state').textContent()).toBe('disarmed');
    expect(await page.locator('#watchdog').textContent()).toContain('reason');
    expect(await page.title()).toBe('(1) mount-monitor');
    mkdirSync(artifacts, { recursive: true });
    await page.screenshot({ path: join(artifacts, 'status-page.png'), fullPage: true });
    expect(problems).toEqual([]);
  });

  inBrowser('the status page shows names and errors as text, never as markup', async () => {
    await using shown = await show();
    const { page } = shown;
    expect(await page.locator('article').nth(0).locator('h2').textContent()).toBe(evilName);
    expect(await page.locator('article img, article b').count()).toBe(0);
  });

  inBrowser('the status page updates without a reload and reports when the monitor is gone', async () => {
    await using shown = await show();
    const { page, monitor, scratch } = shown;
    const loads = await page.evaluate<number>(navigations);
    const state = page.locator('article', { hasText: 'movies' }).locator('.state');
    scratch.remove('good/.health-check');
    await expect.poll(() => state.textContent(), { timeout: 20_000 }).toMatch(/degraded|unhealthy/);
    scratch.mount('good');
    await expect.poll(() => state.textContent(), { timeout: 20_000 }).toBe('healthy');
    expect(await page.evaluate<number>(navigations)).toBe(loads);
    monitor.signal('SIGKILL');
    await expect.poll(() => page.locator('#lost').isVisible(), { timeout: 20_000 }).toBe(true);
    expect(await page.locator('#lost').textContent()).toContain('No answer from the monitor since');
  });

  inBrowser('the status page fits a phone and follows dark mode', async () => {
    await using dark = await show({ colorScheme: 'dark', width: 360 });
    const width = await dark.page.evaluate<readonly number[]>(
      '[document.documentElement.scrollWidth, innerWidth]',
    );
    expect(width[0]).toBeLessThanOrEqual(width[1] ?? 0);
    const background = (page: Page) =>
      page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const darkBackground = await background(dark.page);
    await dark.page.screenshot({ path: join(artifacts, 'status-page-phone.png'), fullPage: true });
    await dark.page.emulateMedia({ colorScheme: 'light' });
    const lightBackground = await background(dark.page);
    const brightness = (color: string) =>
      [...color.matchAll(/\d+/g)].reduce((sum, [digits]) => sum + Number(digits), 0);
    expect(brightness(darkBackground)).toBeLessThan(150);
    expect(brightness(lightBackground)).toBeGreaterThan(600);
  });

  inBrowser(
    'the status page stays usable with 500 mounts: worst first, healthy ones collapsed, and a filter',
    async () => {
      await using shown = await show();
      const { page, problems } = shown;
      await answer(page, manyMounts(500));
      await expect.poll(() => page.locator('article').count(), { timeout: 20_000 }).toBe(500);
      expect(
        await page
          .locator('article .state')
          .allTextContents()
          .then((all) => all.slice(0, 4)),
      ).toEqual(['unhealthy, hung', 'unhealthy, hung', 'degraded, timeout', 'healthy']);
      expect(await page.locator('article details[open]').count()).toBe(3);
      await page.locator('#filter').fill('mount-49');
      expect(await page.locator('article:visible').count()).toBe(11);
      expect(await page.locator('#shown').textContent()).toBe('11 of 500 shown');
      await page.locator('#troubled').check();
      expect(await page.locator('article:visible').count()).toBe(0);
      await page.locator('#filter').fill('');
      expect(await page.locator('article:visible').count()).toBe(3);
      // Cards that a person closed or opened stay that way on the next update.
      await page.locator('article summary').first().click();
      await page.waitForResponse('**/healthz/status');
      await page.waitForTimeout(100);
      expect(await page.locator('article details[open]').count()).toBe(2);
      expect(problems).toEqual([]);
    },
  );

  inBrowser('the documentation’s pictures of the status page are taken in light and dark mode', async () => {
    await using shown = await show({ width: 900 });
    const { page } = shown;
    await answer(page, manyMounts(12));
    await expect.poll(() => page.locator('article').count(), { timeout: 20_000 }).toBe(12);
    const folder = process.env.PICTURES ?? artifacts;
    mkdirSync(folder, { recursive: true });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const path = join(folder, `status-page-${colorScheme}.png`);
      await page.screenshot({ path, clip: { x: 0, y: 0, width: 900, height: 760 } });
      expect(existsSync(path)).toBe(true);
    }
  });
});

/** Answers the page's requests with other mounts than the monitor's. */
async function answer(page: Page, mounts: readonly object[]): Promise<void> {
  await page.route('**/healthz/status', async (route) => {
    const response = await route.fetch();
    const status = await response.json();
    const armed = { state: 'armed', reason: null, since: new Date(Date.now() - 7_200_000).toISOString() };
    await route.fulfill({ json: { ...status, version: '1.0.0', watchdog: armed, mounts } });
  });
}

/** Two mounts that hang, one that is slow, and the rest healthy, ordered by name. */
function manyMounts(count: number): readonly object[] {
  return Array.from({ length: count }, (_, index) => {
    const hangs = index === 3 || index === 7;
    const slow = index === 5;
    const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
    return {
      name: `mount-${index}`,
      path: `/mnt/remotes/mount-${index}`,
      status: hangs ? 'unhealthy' : slow ? 'degraded' : 'healthy',
      since: minutesAgo(hangs || slow ? 4 : 1500),
      last_check: minutesAgo(0.2),
      last_duration_ms: hangs || slow ? 0 : 2.4,
      failure_count: hangs ? 8 : slow ? 1 : 0,
      check_type: 'canary',
      probe_hung: hangs,
      history: Array.from({ length: 60 }, (__, at) =>
        hangs && at > 50 ? 't' : slow && at === 59 ? 't' : 'p',
      ),
      filesystem: { mounted: true, type: 'fuse.rclone', source: 'remote:media', mount_point: '' },
      ...(hangs && { reason: 'hung', last_error: 'an earlier probe still waits in the kernel' }),
      ...(slow && { reason: 'timeout', last_error: 'no answer within 5000 ms' }),
    };
  });
}
