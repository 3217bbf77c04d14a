/** A headless Chromium for tests of the status page, and axe in it. It knows nothing of what the page says. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Page } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/local/bin/chrome', '/usr/bin/chromium-browser'];
export const CHROMIUM = PATHS.find((path) => existsSync(path));

/** Quiet on the network: only the page may be asked for. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM ?? '', args: FLAGS });

export interface Watched {
  readonly page: Page;
  /** What the browser complained of. */
  readonly complaints: string[];
}

export interface Look {
  readonly width: number;
  readonly height: number;
  readonly scheme: 'light' | 'dark';
  readonly scale?: number;
}

export async function openPage(browser: Browser, url: string, look: Look): Promise<Watched> {
  const { width, height, scheme, scale = 1 } = look;
  const page = await browser.newPage({
    viewport: { width, height },
    colorScheme: scheme,
    deviceScaleFactor: scale,
    timezoneId: 'UTC',
  });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints };
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong, a line for each element: every rule, the best practices too. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found: unknown =
    await page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(
    ({ violations }) => violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => id + ': ' + help + ': ' + node.html + ' ' + node.failureSummary)))`);
  return Array.isArray(found) ? found.map(String) : ['axe did not answer'];
}
