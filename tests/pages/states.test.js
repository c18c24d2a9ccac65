// Settings → Audit where something is missing or fails, by keyboard, and without a script.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AUDIT, breakdown, cards, log } from './support/audit.js';
import { assertAccessible, assertFitsWidth, close, openWindow, useBrowser } from './support/browser.js';
import { soon } from './support/eventually.js';
import { matching } from './support/model.js';
import { openProxy } from './support/proxy.js';
import { openRoom, stackVariables } from './support/room.js';
import { PARTS } from './support/states.js';
import { EMAIL_OF, NAME_OF, furnish } from './support/world.js';

let room, world, proxy;
useBrowser();
before(async () => {
  proxy = await openProxy(stackVariables().CLICKHOUSE_URL);
  room = await openRoom('states', { CLICKHOUSE_URL: proxy.url });
  world = await furnish(room);
});
after(async () => {
  await room?.close();
  await proxy?.close();
});

test('names that are markup, emoji, long or written from right to left are shown as text', async () => {
  const page = await openWindow(room, { orgs: ['acme'], width: 360 });
  await page.goto(`${AUDIT}?range=last_month&members=all`);
  const names = (await breakdown(page, 'member')).map(({ name }) => name);
  for (const name of Object.values(NAME_OF)) assert.ok(names.includes(name), name);
  assert.ok((await breakdown(page, 'model')).some(({ name }) => name === '=1+1'));
  assert.notEqual(await page.title(), 'hacked');
  const mail = page.locator('#calls .mail', { hasText: EMAIL_OF.long }).first();
  assert.equal(await mail.getAttribute('title'), EMAIL_OF.long);
  // The amount of that row stays inside the screen.
  const box = await page.locator('#calls tr', { hasText: EMAIL_OF.long }).first().locator('.amount').boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 360, JSON.stringify(box));
  await close(page);
});

test('an organisation without a call is told what will come', async () => {
  const page = await openWindow(room, { orgs: ['silent'] });
  await page.goto('/orgs/silent/settings/audit');
  await page.getByText('No AI calls yet').waitFor();
  const shown = await cards(page);
  assert.deepEqual(Object.values(shown).map(({ figure }) => figure), ['0', '0', '0']);
  assert.ok(shown['Credits last month'].pills.every((pill) => pill.startsWith('flat')));
  assert.equal(await page.getByRole('search', { name: 'Filters' }).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Export CSV' }).getAttribute('aria-disabled'), 'true');
  await close(page);
});

test('a part that cannot be read is told as an error in its place, never as zero or as an empty list', async () => {
  // A service that has kept no answer yet, and a filter of its own for each case.
  await room.startApi({ CLICKHOUSE_URL: proxy.url });
  const page = await openWindow(room, { orgs: ['acme'] });
  let cases = 0;
  const fails = async (marks, told, status) => {
    proxy.fails = (statement) => marks.some((mark) => statement.includes(mark));
    if (status !== 200) page.expected.push(new RegExp(`${status}`));
    const answer = await page.goto(`${AUDIT}?range=last_month&member=ada&member=case-${(cases += 1)}`);
    proxy.fails = () => false;
    assert.equal(answer.status(), status);
    const shown = (await page.locator('main').innerText()).replace(/\s+/g, ' ');
    for (const text of told) assert.ok(shown.includes(text), `${text}: ${shown}`);
    await assertAccessible(page, told[0]);
    await assertFitsWidth(page, told[0]);
  };
  const { breakdowns: ofBreakdowns, log: ofLog, options: ofOptions, cards: ofCards } = PARTS;
  await fails([ofBreakdowns, ofLog, ofOptions, ofCards], ['Could not load the breakdowns', 'Could not load the cards'], 503);
  assert.equal(await page.locator('.figure').count(), 0);
  await fails([ofCards], ['Could not load the cards. Your data is safe.', 'By reason'], 200);
  await fails([ofBreakdowns], ['Could not load the breakdowns. Your data is safe.', 'Audit log', 'Reference: '], 200);
  assert.ok((await log(page)).length > 0);
  await fails([ofLog], ['Could not load the audit log. Your data is safe.', 'By reason'], 200);
  assert.equal(await page.getByText('End of results').count(), 0);
  await fails([ofOptions], ['By reason'], 200);
  await fails(['SELECT'], ['The numbers cannot be read just now', 'Try again'], 503);
  assert.doesNotMatch(await page.locator('main').innerText(), /\b0\b/);
  await page.getByRole('link', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Audit log', exact: true }).waitFor();
  await close(page);
});

test('without a script every filter, page and file is there', async () => {
  const page = await openWindow(room, { orgs: ['acme'], script: false });
  await page.goto(AUDIT);
  await page.getByRole('link', { name: 'Last month' }).click();
  await page.waitForURL(/range=last_month/);
  await page.locator('.drop > summary', { hasText: 'Reasons' }).click();
  await page.getByRole('checkbox', { name: /^Chat/ }).check();
  await page.locator('.drop[open]').getByRole('button', { name: 'Apply' }).click();
  await page.waitForURL(/reason=chat/);
  const expected = matching(world, { range: 'last_month', reasons: ['chat'] });
  assert.match(await page.locator('#shown').innerText(), new RegExp(`${expected.length} calls`));
  await page.goto(`${AUDIT}?range=last_month`);
  await page.locator('#more').click();
  await page.waitForURL(/after=/);
  assert.equal((await log(page)).length, 50);
  await page.getByRole('link', { name: 'Back to newest' }).click();
  await soon('the newest', async () => assert.doesNotMatch(page.url(), /after=/));
  await page.locator('#toggle-member').click();
  await page.waitForURL(/members=all/);
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
  assert.match(download.suggestedFilename(), /^intervy-usage_acme_/);
  await close(page);
});

test('Tab leads through every control in the order of reading, and each shows its focus', async () => {
  const page = await openWindow(room, { orgs: ['acme', 'silent'] });
  await page.goto(`${AUDIT}?range=last_month&reason=chat`);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to audit log');
  const seen = [];
  for (let presses = 0; presses < 400; presses += 1) {
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return null;
      const { x, y, width, height } = element.getBoundingClientRect();
      const style = getComputedStyle(element);
      const order = [...document.querySelectorAll('a, button, input, summary')].indexOf(element);
      const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
      return { order, ring, name: element.textContent.trim().slice(0, 40), visible: width > 0 && height > 0, top: y + scrollY, x };
    });
    if (!focused) break;
    seen.push(focused);
    await page.keyboard.press('Tab');
  }
  const orders = seen.map(({ order }) => order);
  assert.deepEqual(orders, [...orders].sort((a, b) => a - b), 'the order of the document');
  assert.equal(new Set(orders).size, orders.length, 'no control twice');
  for (const control of seen) assert.ok(control.visible && control.ring, `${control.name} shows its focus`);
  const reached = seen.map(({ name }) => name).join('\n');
  for (const name of ['Audit', 'Usage', 'Last month', 'Members', 'Reasons', 'Models', 'BYOK', 'Clear all', 'Export CSV', 'Open', 'Load more']) {
    if (name !== 'Load more' || (await page.locator('#more').count())) assert.ok(reached.includes(name), name);
  }
  await close(page);
});

test('a dropdown opens, is ticked and applied by keyboard, and Escape gives the focus back', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  const summary = page.locator('.drop > summary', { hasText: 'Reasons' });
  await summary.focus();
  await page.keyboard.press('Enter');
  await page.locator('#drop-reasons[open]').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await page.keyboard.press('Escape');
  await soon('the dropdown to close', async () => assert.equal(await page.locator('#drop-reasons[open]').count(), 0));
  assert.equal(await summary.evaluate((element) => element === document.activeElement), true);
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('#drop-reasons input:checked').count(), 0, 'what was not applied is undone');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await page.keyboard.press('Enter');
  await page.waitForURL(/reason=/);
  await soon('the focus on the dropdown', async () =>
    assert.equal(await page.evaluate(() => document.activeElement.closest('.drop')?.id), 'drop-reasons'),
  );
  await close(page);
});

test('Load more adds to the page, moves the focus to the first new call, and says how many', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  await page.locator('#more').focus();
  await page.keyboard.press('Enter');
  await soon('a hundred', async () => assert.equal((await log(page)).length, 100));
  const place = await page.evaluate(() => [...document.querySelectorAll('#calls tr')].indexOf(document.activeElement.closest('tr')));
  assert.equal(place, 50);
  await page.getByText('50 more calls, 100 shown').waitFor({ state: 'attached' });
  assert.doesNotMatch(page.url(), /after=/);
  await close(page);
});

test('a theme once chosen stays', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.locator('#theme > summary').click();
  await page.getByRole('button', { name: 'Dark' }).click();
  await soon('the dark', async () => assert.notEqual(await ground(), light));
  assert.match(page.url(), /range=last_month/);
  // Also for who goes on at once, before it is kept.
  await soon('the dark of another page', async () => {
    await page.goto(AUDIT);
    assert.notEqual(await ground(), light);
  });
  await assertAccessible(page, 'dark by choice');
  await close(page);
});

test('completeness and zone are always said, with the exact instant', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  for (const state of ['', '?range=custom', '?member=nobody']) {
    await page.goto(`${AUDIT}${state}`);
    const line = page.locator('.complete');
    assert.match(await line.innerText(), /Times in Europe\/Berlin · Data complete through .*\d\d:\d\d:\d\d/);
    assert.match(await line.locator('time').getAttribute('title'), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/);
  }
  await close(page);
});

test('a page is small, and is sent smaller', async () => {
  const headers = { authorization: `Bearer ${room.token(['acme'])}` };
  const page = await (await fetch(`${room.address}${AUDIT}?range=last_month`, { headers })).text();
  assert.ok(page.length <= 100_000, `${page.length} bytes`);
});
