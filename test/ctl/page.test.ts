/**
 * The status page in a real browser, of two real routers in the lab: what it shows as the session moves, that it comes back
 * when the supervisor does, and that it can be read by everybody. With UPDATE=1 it takes the picture of the README.
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import t, { type Test } from 'tap';
import type { Browser, Page } from 'playwright-core';
import { Bus } from '@ppp-thing/lab/demo/bus';
import { now } from '@ppp-thing/lab/demo/clock';
import { Lab } from '@ppp-thing/lab/demo/lab';
import { findRuntime } from '@ppp-thing/lab/demo/runtime';
import { Ctl } from './bench.ts';
import { CHROMIUM, openBrowser, openPage, violations, type Look, type Watched } from './browser.ts';

const LIMIT = 30_000;
const PICTURE = 'docs/status-page.png';
const isUpdate = process.env['UPDATE'] === '1';
/** Where to leave what was seen, for who wants to look. */
const shots = process.env['PPP_THING_SHOTS'];

const DESKTOP: Look = { width: 1120, height: 800, scheme: 'light' };
const LOOKS: readonly (readonly [string, Look])[] = [
  ['desktop, light', DESKTOP],
  ['desktop, dark', { ...DESKTOP, scheme: 'dark' }],
  ['phone, light', { width: 360, height: 740, scheme: 'light' }],
  ['phone, dark', { width: 360, height: 740, scheme: 'dark' }],
];

interface Scene {
  readonly lab: Lab;
  readonly browser: Browser;
  /** Of `pppthingctl web` on this router. */
  readonly urls: Readonly<Record<'r1' | 'r2', string>>;
  /** The page of r2, open all the time. */
  readonly watched: Watched;
}

const headline = (page: Page): Promise<string | null> => page.textContent('#headline');

const reads = (page: Page, id: string, text: string | RegExp): Promise<void> =>
  page.locator(id).filter({ hasText: text }).waitFor({ state: 'visible', timeout: LIMIT });

async function shoot(page: Page, name: string): Promise<void> {
  if (shots === undefined) return;
  mkdirSync(shots, { recursive: true });
  const image = await page.screenshot({ fullPage: true });
  writeFileSync(join(shots, `${name.replaceAll(/\W+/g, '-')}.png`), image);
}

async function serve(t: Test, lab: Lab, router: 'r1' | 'r2'): Promise<string> {
  const server = new Ctl(join(lab.directory, router, 'run'), ['web', '--listen', '127.0.0.1:0']);
  t.teardown(async () => {
    server.child.kill();
    await server.exit;
  });
  await server.printed('out', /http:\S+/);
  return /http:\S+/.exec(server.out)?.[0] ?? '';
}

async function open(t: Test): Promise<Scene> {
  const lab = await Lab.open({
    bus: new Bus(now),
    runtime: findRuntime('node'),
    carpSecondMs: 300,
    keep: false,
    verbose: false,
  });
  t.teardown(() => lab.close());
  await lab.powerOn('r1', 'r2');
  await lab.bus.waitUntil('the session of r1', LIMIT, () => lab.world.machine('r1').isUp);
  lab.world.startProbe();
  const urls = { r1: await serve(t, lab, 'r1'), r2: await serve(t, lab, 'r2') };
  const browser = await openBrowser();
  t.teardown(() => browser.close());
  const watched = await openPage(browser, urls.r2, DESKTOP);
  return { lab, browser, urls, watched };
}

const skip = CHROMIUM === undefined && 'no chromium here';

t.test('the page of a pair', { skip, timeout: 600_000 }, async (t) => {
  const scene = await open(t);
  const { page, complaints } = scene.watched;

  await t.test('says who holds the session, and that the other could take it', async (t) => {
    await reads(page, '#word', 'Protected');
    t.equal(await headline(page), 'Router 1 holds the session');
    await reads(page, '.router.holds', /^Router 1Holds the session/);
    await reads(page, '.router.ready', /^Router 2this routerStands by.*armed.*in sync/);
    await reads(page, '#protection', 'Router 2 is armed, in sync and ready.');
    await reads(page, '#since', /^since \d\d:\d\d:\d\d, for /);
    await reads(page, '#facts', /Session0x[0-9a-f]{4}.*203\.0\.113\.7.*203|Session0x[0-9a-f]{4}/);
    await reads(page, '#timeline .move', 'Router 1 took the session');
  });

  await t.test('a failover shows without a reload', async (t) => {
    const marker = 'window.isTheSame = true';
    await page.evaluate(marker);
    await scene.lab.powerCut('r1');
    await reads(page, '#headline', 'Router 2 holds the session');
    await reads(page, '.router.holds', /^Router 2this router/);
    await reads(page, '.router.unknown', /^Router 1Not heard/);
    await reads(page, '#word', 'Not protected');
    await reads(page, '#timeline .move', 'Router 2 took the session');
    t.equal(await page.evaluate('window.isTheSame'), true);
    await shoot(page, 'r1 dead');
    await scene.lab.powerOn('r1');
    await reads(page, '#headline', 'Router 1 holds the session');
    await reads(page, '#word', 'Protected');
    await scene.lab.router('r1').operator.type('handoff', '--wait');
    await reads(page, '#headline', 'Router 2 holds the session');
    await reads(page, '#word', 'Protected');
  });

  await t.test('a page that is loaded anew shows what was before', async (t) => {
    await page.reload();
    await page.locator('#timeline .move').nth(3).waitFor({ timeout: LIMIT });
    await page.locator('#echo-plot path.s0[d*=L]').waitFor({ state: 'attached', timeout: LIMIT });
    await reads(page, '#traffic-now', /in [\d.]+ kbit\/s, out [\d.]+ kbit\/s/);
    t.same(complaints, []);
  });

  for (const [name, look] of LOOKS) {
    await t.test(`${name}: axe finds nothing, nothing is wider than the window`, async (t) => {
      const { page, complaints } = await openPage(scene.browser, scene.urls.r2, look);
      await page.locator('#echo-plot path.s0[d*=L]').waitFor({ state: 'attached', timeout: LIMIT });
      t.same(await violations(page), []);
      t.equal(await page.evaluate('document.documentElement.scrollWidth'), look.width);
      t.same(complaints, []);
      await shoot(page, name);
      await page.close();
    });
  }

  await t.test('what can be used can be used with the keyboard', async (t) => {
    const entries = page.locator('#timeline li');
    const before = await entries.count();
    await page.keyboard.press('Tab');
    t.equal(await page.evaluate('document.activeElement.id'), 'more');
    await page.keyboard.press('Enter');
    await page.locator('#more').waitFor({ state: 'hidden', timeout: LIMIT });
    t.ok((await entries.count()) > before);
    t.equal(await page.evaluate('document.activeElement.localName'), 'li', 'it goes on from there');
  });

  await t.test('both routers’ pages agree', async (t) => {
    const { page } = await openPage(scene.browser, scene.urls.r1, DESKTOP);
    await reads(page, '#headline', 'Router 2 holds the session');
    await reads(page, '.router.holds', /^Router 2Holds the session.*AC answers it/);
    await reads(page, '.router.ready', /^Router 1this router/);
    t.equal(await page.textContent('#protection'), 'Router 1 is armed, in sync and ready.');
    await page.close();
  });

  await t.test('a supervisor that starts again: said at once, and recovered from', async (t) => {
    const back = scene.lab.killProcess('r2', 'supervisor');
    await reads(page, '#away', /connect .*status\.sock: E[A-Z]+: .*What is below is of \d\d:/);
    t.equal(await page.textContent('#word'), 'Not live');
    t.equal(await headline(page), 'Last known: Router 2 holds the session');
    t.match(await page.title(), 'not live');
    await shoot(page, 'away');
    await back;
    await page.locator('#away').waitFor({ state: 'hidden', timeout: LIMIT });
    // First it says that the AC has not answered the new supervisor yet.
    await reads(page, '#headline', /^Router 2 holds the session$/);
    await reads(page, '#since', 'when this supervisor started');
    await reads(page, '#timeline', 'This supervisor started');
    t.same(complaints, []);
  });

  await t.test('a stream that is cut is taken up again', async (t) => {
    const run = join(scene.lab.directory, 'r2', 'run');
    const first = new Ctl(run, ['web', '--listen', '127.0.0.1:0']);
    await first.printed('out', /http:\S+/);
    const url = /http:\S+/.exec(first.out)?.[0] ?? '';
    const { page } = await openPage(scene.browser, url, DESKTOP);
    await reads(page, '#live', 'live from Router 2');
    first.child.kill();
    await first.exit;
    await reads(page, '#away', 'pppthingctl web does not answer');
    t.same(await violations(page), []);
    const isFollowing = page.waitForResponse(
      (response) => response.url().endsWith('/changes') && response.ok(),
    );
    const again = new Ctl(run, ['web', '--listen', new URL(url).host]);
    t.teardown(async () => {
      again.child.kill();
      await again.exit;
    });
    await again.printed('out', /http:\S+/);
    await page.locator('#away').waitFor({ state: 'hidden', timeout: LIMIT });
    await isFollowing;
    t.equal(await headline(page), 'Router 2 holds the session');
    await page.close();
  });
});

t.test('the picture of the README is small enough to be in the repository', async (t) => {
  t.ok(statSync(PICTURE).size <= 150_000);
});

/** A page in the middle of a life: a minute of plots, and what happened in it. */
async function picture(t: Test): Promise<void> {
  const { lab, browser, urls } = await open(t);
  await lab.powerCut('r1');
  await lab.bus.pass(3000);
  await lab.powerOn('r1');
  await lab.bus.pass(8000);
  await lab.router('r1').operator.type('handoff', '--wait');
  await lab.bus.pass(25_000);
  await lab.router('r2').operator.type('handoff', '--wait');
  await lab.bus.pass(12_000);
  await lab.powerCut('r1');
  await lab.bus.pass(9000);
  await lab.powerOn('r1');
  await lab.bus.pass(3000);
  await lab.router('r1').operator.type('handoff', '--wait');
  await lab.bus.pass(15_000);
  const { page } = await openPage(browser, urls.r2, { ...DESKTOP, height: 940 });
  await reads(page, '#word', 'Protected');
  await page.locator('#echo-plot path.s0[d*=L]').waitFor({ state: 'attached', timeout: LIMIT });
  writeFileSync(PICTURE, await page.screenshot({ fullPage: true }));
  const { failed } = await execa(
    'pngquant',
    ['--strip', '--force', '--ext', '.png', '96', PICTURE],
    {
      reject: false,
    },
  );
  t.pass(`wrote ${PICTURE}${failed ? ', larger than with pngquant' : ''}`);
}

if (isUpdate) t.test('the picture of the README', { skip, timeout: 200_000 }, picture);
