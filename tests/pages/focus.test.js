// Where the focus is, and what is said, after a page changed in place; and every page from the first to the last control.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AUDIT, chips, open } from './support/audit.js';
import { close, openWindow, useBrowser } from './support/browser.js';
import { soon } from './support/eventually.js';
import { walk } from './support/keyboard.js';
import { matching } from './support/model.js';
import { openRoom } from './support/room.js';
import { furnish } from './support/world.js';

const USAGE = '/orgs/acme/settings/usage';
let room, world;
useBrowser();
before(async () => {
  room = await openRoom('focus');
  world = await furnish(room);
});
after(() => room?.close());

/** Id of what has the focus. */
const focus = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.parentElement.id);
const focusOn = (page, id) => soon(`the focus on ${id}`, async () => assert.equal(await focus(page), id));

test('Custom puts the focus into Since', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  await page.getByRole('link', { name: 'Custom' }).focus();
  await page.keyboard.press('Enter');
  await focusOn(page, 'since');
  await close(page);
});

test('a preset keeps the focus, and what is shown now is said', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  const status = page.locator('#status');
  assert.equal(await status.getAttribute('role'), 'status');
  assert.equal(await status.innerText(), '');
  await page.getByRole('link', { name: 'Last month' }).focus();
  await page.keyboard.press('Enter');
  const { length } = matching(world, { range: 'last_month' });
  await soon('what is said', async () => assert.match(await status.innerText(), new RegExp(`^${length} calls, 1 \\w+ to \\d+ \\w+ \\d{4}$`)));
  await focusOn(page, 'range-2');
  await page.goto(`${AUDIT}?member=nobody`);
  await page.getByRole('link', { name: 'Last month' }).click();
  await soon('what is said', async () => assert.match(await status.innerText(), /0 calls|No calls/));
  await close(page);
});

test('after × the focus is on the next chip, then on Clear all, then on the period', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?reason=chat&byok=none&member=ada`);
  assert.equal((await chips(page)).length, 3);
  const next = await page.locator('#chip-2').innerText();
  await page.locator('#chip-1').focus();
  await page.keyboard.press('Enter');
  await soon('the next chip', async () => {
    assert.equal((await chips(page)).length, 2);
    assert.equal(await focus(page), 'chip-1');
  });
  assert.equal(await page.locator('#chip-1').innerText(), next);
  await page.locator('#chip-2').focus();
  await page.keyboard.press('Enter');
  await focusOn(page, 'clear-all');
  await page.keyboard.press('Enter');
  await focusOn(page, 'shown');
  assert.deepEqual(await chips(page), []);
  await close(page);
});

test('Show all and Show top 5 keep the focus', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  for (const label of ['Show top 5', /^Show all/]) {
    await page.locator('#toggle-member').focus();
    await page.keyboard.press('Enter');
    await page.locator('#toggle-member', { hasText: label }).waitFor();
    assert.equal(await focus(page), 'toggle-member');
  }
  await close(page);
});

test('back and forward show what was there, put the focus on the period, and say it', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  await page.getByRole('link', { name: 'Last month' }).click();
  await soon('last month', async () => assert.match(await page.locator('#status').innerText(), /calls/));
  for (const [go, filter] of [['goBack', {}], ['goForward', { range: 'last_month' }]]) {
    await page[go]();
    const { length } = matching(world, filter);
    await soon(go, async () => assert.match(await page.locator('#status').innerText(), new RegExp(`^${length} calls`)));
    assert.equal(await focus(page), 'shown');
  }
  await close(page);
});

test('a click elsewhere closes a dropdown and undoes what was not applied; only one is open at a time', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  const drop = await open(page, 'Reasons');
  await drop.getByRole('checkbox', { name: /^Chat/ }).check();
  await page.getByRole('heading', { name: 'AI usage audit log' }).click();
  await soon('it to close', async () => assert.equal(await page.locator('.drop[open]').count(), 0));
  assert.equal(await page.locator('#drop-reasons input:checked').count(), 0);
  await open(page, 'Reasons');
  await open(page, 'Members');
  assert.deepEqual(await page.locator('.drop[open]').evaluateAll((open) => open.map(({ id }) => id)), ['drop-members']);
  assert.equal(new URL(page.url()).search, '');
  await close(page);
});

const WALKS = {
  'the Usage page': [USAGE, {}, ['Audit', 'Usage', 'Last month', 'Members', 'BYOK', 'See these calls in Audit', 'Show as table', 'gpt-6-sol']],
  'one call': ['call', {}, ['Audit', 'Back to the audit log', 'Event id', 'Open']],
  'the fields of Custom': [`${AUDIT}?range=custom`, {}, ['Custom', 'Since', 'Until', 'Apply']],
  'an export that is disabled': [`${AUDIT}?member=nobody`, {}, ['Export CSV', 'Clear all']],
  'a narrow screen': [`${AUDIT}?byok=only`, { width: 360 }, ['Export CSV', 'Last month', 'Filters', 'Clear all', 'Find a call', 'Open']],
  'an organisation without a call': ['/orgs/silent/settings/audit', {}, ['Audit', 'Refresh']],
};
for (const [what, [path, size, controls]] of Object.entries(WALKS)) {
  test(`Tab leads through ${what} in the order of reading, and back, and each control shows its focus`, async () => {
    const { calls } = await room.ask('acme', 'calls?range=last_month&limit=1');
    const page = await openWindow(room, { orgs: ['acme', 'silent'], ...size });
    await page.goto(path === 'call' ? `${AUDIT}/calls/${calls[0].event_id}` : path);
    // Since takes the focus by itself; a walk begins before the first control.
    await page.evaluate(() => {
      document.body.tabIndex = -1;
      document.body.focus();
      document.body.removeAttribute('tabindex');
    });
    const names = await walk(page);
    assert.match(names[0], /^Skip to /);
    for (const control of controls) assert.ok(names.some((name) => name.startsWith(control)), `${control} in ${names.join(' | ')}`);
    assert.deepEqual((await walk(page, 'Shift+Tab')).reverse(), names);
    await close(page);
  });
}

test('what a dropdown holds is walked through on a narrow screen, too', async () => {
  const page = await openWindow(room, { orgs: ['acme'], width: 360 });
  await page.goto(AUDIT);
  await page.locator('#fold > summary').focus();
  await page.keyboard.press('Enter');
  const stops = [];
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  for (let press = 0; press < 20; press += 1) {
    await page.keyboard.press('Tab');
    stops.push(await page.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.innerText.trim()));
    if (stops.at(-1) === 'Apply') break;
  }
  assert.equal(stops[0], 'search-members');
  assert.equal(stops.filter((stop) => stop === 'member').length, 12, `${stops}`);
  assert.deepEqual(stops.slice(-2), ['clear-members', 'Apply']);
  await close(page);
});
