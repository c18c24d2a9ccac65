// What a page shows while it waits, when what it asked for fails, and when the numbers are behind.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { AUDIT, log } from './support/audit.js';
import { assertAccessible, close, openWindow, useBrowser } from './support/browser.js';
import { eventually, soon } from './support/eventually.js';
import { matching } from './support/model.js';
import { openProxy } from './support/proxy.js';
import { openRoom, stackVariables } from './support/room.js';
import { PARTS } from './support/states.js';
import { furnish } from './support/world.js';

const USAGE = '/orgs/acme/settings/usage';
const LOG = (statement) => statement.includes(PARTS.log);
let room, world, proxy;
useBrowser();
before(async () => {
  proxy = await openProxy(stackVariables().CLICKHOUSE_URL);
  room = await openRoom('waiting', { CLICKHOUSE_URL: proxy.url });
  world = await furnish(room);
});
afterEach(() => {
  proxy.release();
  proxy.fails = () => false;
});
after(async () => {
  await room?.close();
  await proxy?.close();
});

const chosen = (page) => page.locator('.presets [aria-current]').innerText();

test('while a filter loads, the old content stays, is marked busy, and a bar appears after a second', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  const rows = await log(page);
  proxy.holds = LOG;
  await page.getByRole('link', { name: 'Last month' }).click();
  const main = page.locator('main');
  await soon('the mark', async () => assert.equal(await main.getAttribute('aria-busy'), 'true'));
  assert.deepEqual(await log(page), rows);
  assert.equal(await chosen(page), 'This month');
  const delay = await main.evaluate((element) => element.getAnimations({ subtree: true })[0]?.effect.getTiming().delay);
  assert.equal(delay, 1000);
  await soon('the bar', async () => assert.equal(await main.evaluate((element) => getComputedStyle(element, '::before').opacity), '1'));

  proxy.release();
  await soon('last month', async () => assert.equal(await chosen(page), 'Last month'));
  assert.equal(await main.getAttribute('aria-busy'), null);
  await close(page);
});

test('of two filters clicked one after the other the last is shown, however late the first answers', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  proxy.holds = LOG;
  await page.getByRole('link', { name: 'Last month' }).click();
  await soon('the mark', async () => assert.equal(await page.locator('main').getAttribute('aria-busy'), 'true'));
  await page.getByRole('link', { name: 'Last 30 days' }).click();
  proxy.release();
  await soon('the last one', async () => assert.equal(await chosen(page), 'Last 30 days'));
  assert.match(page.url(), /range=last_30_days$/);
  await close(page);
});

test('a filter that cannot be fetched becomes an ordinary visit', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  page.expected.push(/ERR_FAILED/);
  const lost = [];
  await page.route('**/*', (route) => {
    if (route.request().resourceType() !== 'fetch') return route.continue();
    lost.push(route.request().url());
    return route.abort();
  });
  await page.getByRole('link', { name: 'Last month' }).click();
  await page.waitForURL(/range=last_month/);
  assert.equal(await chosen(page), 'Last month');
  assert.equal(lost.length, 1);
  await close(page);
});

test('a filter whose answer is an error is shown as that error, with its address', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  page.expected.push(/503/);
  proxy.fails = (statement) => statement.includes('SELECT');
  await page.getByRole('link', { name: 'Last month' }).click();
  await page.getByText('The numbers cannot be read just now').waitFor();
  assert.match(page.url(), /range=last_month$/);
  proxy.fails = () => false;
  await page.getByRole('link', { name: 'Try again' }).click();
  await soon('last month', async () => assert.equal(await chosen(page), 'Last month'));
  await close(page);
});

test('Load more says that it waits after a second, and keeps the focus', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.clock.install();
  await page.goto(`${AUDIT}?range=last_month`);
  // From here on time passes only where the test says so.
  await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 60_000);
  const more = page.locator('#more');
  proxy.holds = LOG;
  await more.focus();
  await page.keyboard.press('Enter');
  await soon('the mark', async () => assert.equal(await more.getAttribute('aria-busy'), 'true'));
  await page.clock.runFor(999);
  assert.equal(await more.innerText(), 'Load more');
  await page.clock.runFor(1);
  assert.equal(await more.innerText(), 'Loading…');
  assert.equal(await more.evaluate((element) => element === document.activeElement), true);
  assert.equal((await log(page)).length, 50);
  // Impatience changes nothing.
  await page.keyboard.press('Enter');
  proxy.release();
  await soon('a hundred', async () => assert.equal((await log(page)).length, 100));
  await close(page);
});

for (const [what, fails] of [['nothing can be read', (statement) => statement.includes('SELECT')], ['the log cannot be read', LOG]]) {
  test(`Load more while ${what}: the rows stay, it says so, and can be tried again`, async () => {
    const page = await openWindow(room, { orgs: ['acme'] });
    await page.goto(`${AUDIT}?range=last_month`);
    const rows = await log(page);
    page.expected.push(/503/);
    proxy.fails = fails;
    const more = page.locator('#more');
    await more.click();
    const told = page.getByText('Could not load more calls. Try again.');
    await told.waitFor();
    assert.deepEqual(await log(page), rows);
    assert.equal(await more.innerText(), 'Load more');
    await assertAccessible(page, 'Load more failed');
    proxy.fails = () => false;
    await more.click();
    await soon('a hundred', async () => assert.equal((await log(page)).length, 100));
    assert.equal(await told.isVisible(), false);
    await close(page);
  });
}

test('how complete the data is, is said on every page of an organisation, also where a part failed', async () => {
  const page = await openWindow(room, { orgs: ['acme', 'silent'] });
  const { calls } = await room.ask('acme', 'calls?range=last_month&limit=1');
  const pages = [
    [AUDIT],
    [USAGE],
    [`${AUDIT}/calls/${calls[0].event_id}`],
    [`${AUDIT}/calls?event_id=nonsense`],
    [`${AUDIT}?member=unheard-1`, PARTS.breakdowns],
    [`${USAGE}?member=unheard-2`, PARTS.breakdowns],
    [`${USAGE}?range=custom`],
    ['/orgs/silent/settings/audit'],
    ['/orgs/silent/settings/usage'],
  ];
  page.expected.push(/400/);
  for (const [path, mark] of pages) {
    proxy.fails = (statement) => mark !== undefined && statement.includes(mark);
    await page.goto(path);
    const line = page.locator('.complete');
    assert.match(await line.innerText(), /^Times in \S+ · Data complete through .*\d\d:\d\d:\d\d/, path);
    assert.match(await line.locator('time').getAttribute('title'), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/, path);
  }
  await close(page);
});

// Ingest stands still from here on, and goes on at the end.
test('pages that are behind say since when and by how much, until they are not', async () => {
  await room.startApi({ CLICKHOUSE_URL: proxy.url, PAGES_BEHIND_AFTER: '10s' });
  const page = await openWindow(room, { orgs: ['acme'] });
  const banner = page.locator('.banner');
  await eventually('no banner', async () => {
    await page.goto(AUDIT);
    assert.equal(await banner.count(), 0);
  });

  const before = matching(world);
  room.ingest.freeze();
  const late = { ...before[0], occurred_at: new Date().toISOString() };
  try {
    room.publish([late]);
    for (const path of [AUDIT, USAGE]) {
      await eventually('the banner', async () => {
        await page.goto(path);
        assert.equal(await banner.count(), 1);
      });
      const text = (await banner.innerText()).replace(/\s+/g, ' ').trim();
      const [, at, age] =
        text.match(/^Data is complete through (\d\d:\d\d:\d\d)(?: [+-]\d\d:\d\d)?, (\d+) (?:seconds|minutes) behind\. Newer calls are not in these numbers yet\.$/) ?? [];
      assert.ok(at, text);
      const through = await page.locator('.complete time').getAttribute('datetime');
      assert.ok((await page.locator('.complete').innerText()).includes(at), 'both say the same');
      assert.ok(Number(age) >= 10 || text.includes('minutes'), text);
      assert.ok(Date.now() - Date.parse(through) >= 10_000, through);
      assert.equal(await banner.getAttribute('role'), null, 'nobody is interrupted');
      await assertAccessible(page, `${path}, behind`);
    }
    await page.goto(AUDIT);
    assert.match(await page.locator('#shown').innerText(), new RegExp(` ${before.length} calls$`), 'the numbers are older, not wrong');
  } finally {
    room.ingest.thaw();
  }
  await eventually('the banner to go', async () => {
    await page.goto(AUDIT);
    assert.equal(await banner.count(), 0);
    assert.match(await page.locator('#shown').innerText(), new RegExp(` ${before.length + 1} calls$`));
  });
  await close(page);
});
