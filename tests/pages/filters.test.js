// The cards and the filter bar of Settings → Audit: every control is clicked or typed into, then the page is read and
// compared with calls counted one by one.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AUDIT, breakdown, cards, chips, choose, exact, open } from './support/audit.js';
import { assertAccessible, close, openWindow, useBrowser } from './support/browser.js';
import { soon } from './support/eventually.js';
import { addDays, dateIn, decimal, grouped, matching, sum, totals } from './support/model.js';
import { openRoom } from './support/room.js';
import { NAME_OF, furnish } from './support/world.js';

const NOTE = 'this calendar month, not affected by filters';
let room, world;
useBrowser();
before(async () => {
  room = await openRoom('filters');
  world = await furnish(room);
});
after(() => room?.close());

/** Waits until the page shows exactly what a filter keeps. */
async function shows(page, filter) {
  const calls = matching(world, filter);
  await soon(JSON.stringify(filter), async () => {
    const shown = calls.length === 1 ? '1 call' : `${calls.length} calls`;
    assert.match(await page.locator('#shown').innerText(), new RegExp(`· ${shown}$`));
  });
  const rows = await breakdown(page, 'reason');
  assert.equal(decimal(sum(rows.map((row) => row.credits))), totals(calls).credits);
}

/** The cards but for the comparison with the same days, which moves with every minute. */
async function headlines(page) {
  const shown = Object.entries(await cards(page));
  return shown.map(([label, { figure, pills, note }]) => [label, figure, pills[0], note]);
}

test('three cards show this month, last month with both changes, and active members', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  const shown = await cards(page);
  assert.deepEqual(Object.keys(shown), ['Credits this month', 'Credits last month', 'Active members this month']);
  const [now, before] = [matching(world), matching(world, { range: 'last_month' })];
  assert.equal(exact(shown['Credits this month'].figure), totals(now).credits);
  assert.equal(exact(shown['Credits last month'].figure), totals(before).credits);
  assert.equal(shown['Active members this month'].figure, `${new Set(now.map((call) => call.member_id)).size}`);
  assert.ok(Object.values(shown).every((card) => card.note === NOTE));

  const summary = await room.ask('acme', 'summary');
  const [whole, same] = shown['Credits last month'].pills;
  assert.match(whole, /^(up|down) .*this month so far vs\. last month$/);
  assert.match(same, /vs\. the same days last month \(.*\)$/);
  assert.ok(whole.includes(summary.last_month.change.percent.replace('-', '−')), whole);
  await close(page);
});

test('presets choose the days, and no filter moves the cards', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  const before = await headlines(page);
  for (const [name, range] of [['Last month', 'last_month'], ['Last 30 days', 'last_30_days'], ['This month', 'this_month']]) {
    await page.getByRole('list', { name: 'Period' }).getByRole('link', { name }).click();
    await shows(page, { range });
    assert.equal(await page.locator('.presets [aria-current]').innerText(), name);
    assert.deepEqual(await headlines(page), before);
  }
  assert.equal(new URL(page.url()).search, '');
  await close(page);
});

test('custom days load nothing until both are there and in order', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  await page.getByRole('link', { name: 'Custom' }).click();
  const since = page.getByLabel('Since');
  await since.waitFor();
  const hint = page.locator('#results').getByText('Pick a start and end date to see this period.');
  await hint.waitFor();
  assert.equal(await page.locator('#calls, .breakdown').count(), 0);
  assert.match(await page.locator('details.drop').first().textContent(), /Choose a start and an end date first/);
  assert.equal(await page.getByRole('button', { name: 'Export CSV' }).getAttribute('aria-disabled'), 'true');
  await assertAccessible(page, 'custom, unfilled');

  const today = dateIn(world.zone, Date.now());
  const start = addDays(today, -20);
  const apply = page.locator('#apply-custom');
  await since.fill(start);
  await apply.click();
  await soon('the answer to the half-filled form', async () => assert.equal(new URL(page.url()).searchParams.get('since'), start));
  assert.equal(await since.inputValue(), start);
  await hint.waitFor();
  assert.equal(await page.locator('#calls').count(), 0);

  const place = await apply.boundingBox();
  await page.getByLabel('Until').fill(addDays(start, -1));
  await apply.click();
  await page.getByText('Since is after Until. Choose a start date on or before the end date.').waitFor();
  assert.equal(await page.locator('#calls').count(), 0);
  await assertAccessible(page, 'custom, reversed');
  assert.deepEqual(await apply.boundingBox(), place, 'a mistake pushes nothing aside');

  await page.getByLabel('Until').fill(today);
  await apply.click();
  await shows(page, { since: start, until: today });
  await close(page);
});

test('members, reasons and models narrow the page, many each, and each offers what the others leave', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  const before = await headlines(page);
  await choose(page, 'Members', [/^Ada Lovelace/, /^Bo Li/]);
  const members = ['ada', 'bo'];
  await shows(page, { range: 'last_month', members });

  // The other dropdowns now offer what Ada and Bo left; the members' own still offers everybody.
  const offered = await open(page, 'Reasons');
  const kept = grouped(matching(world, { range: 'last_month', members }), (call) => call.reason);
  for (const { key, calls } of kept) {
    const label = { chat: 'Chat', generate_field: 'Generate field', summarize_cv: 'Summarize CV' }[key] ?? key;
    assert.equal(await offered.getByRole('checkbox', { name: new RegExp(`^${label} ${calls}( calls?)?$`) }).count(), 1, label);
  }
  for (const known of ['Chat', 'Generate field', 'Summarize CV', 'Classify questions']) {
    assert.equal(await offered.getByRole('checkbox', { name: new RegExp(`^${known}`) }).count(), 1, known);
  }
  await offered.getByRole('checkbox', { name: /^Chat/ }).check();
  await offered.getByRole('button', { name: 'Apply' }).click();
  await shows(page, { range: 'last_month', members, reasons: ['chat'] });
  await choose(page, 'Models', [/gpt-6-sol/, /=1\+1/]);
  await shows(page, { range: 'last_month', members, reasons: ['chat'], models: ['openai/gpt-6-sol', 'openai/=1+1'] });
  assert.deepEqual(await headlines(page), before);
  await assertAccessible(page, 'filtered');
  await close(page);
});

test('BYOK is any, only, or none', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  for (const [name, byok] of [['BYOK only', 'only'], ['Non-BYOK only', 'none'], ['Any', undefined]]) {
    const drop = await open(page, 'BYOK');
    await drop.getByRole('link', { name: new RegExp(`^${name}`) }).click();
    await soon(name, async () => assert.match(await page.locator('#drop-byok summary').innerText(), new RegExp(`: ${name}$`)));
    const calls = matching(world, { byok });
    await soon(name, async () => assert.match(await page.locator('#shown').innerText(), new RegExp(`· ${calls.length} calls$`)));
  }
  await close(page);
});

test('long lists of options are searched in place', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  const drop = await open(page, 'Members');
  const box = drop.getByRole('searchbox');
  const visible = () => drop.locator('[data-options] label:visible').count();
  const listed = await visible();
  await box.pressSequentially('lov');
  await soon('only Ada', async () => assert.equal(await visible(), 1));
  await box.press('Enter');
  assert.equal(await drop.getByRole('checkbox', { name: /^Ada Lovelace/ }).isVisible(), true);
  await box.fill('nobody at all');
  await drop.getByText('No member matches “nobody at all”').waitFor();
  await assertAccessible(page, 'no option');
  // Left and opened again, everybody is there.
  await box.press('Escape');
  await open(page, 'Members');
  assert.equal(await box.inputValue(), '');
  assert.equal(await visible(), listed);
  assert.equal(await drop.getByText('No member matches').count(), 0);
  await close(page);
});

test('chips name every filter, × removes one, and Clear all removes all', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  const state = 'range=last_month&member=ada&member=script&reason=chat&model=openai%2F%3D1%2B1&byok=none';
  await page.goto(`${AUDIT}?${state}`);
  const named = (text) => `Remove filter: ${text}`;
  assert.deepEqual(await chips(page), [
    named('Period Last month'),
    named('Member Ada Lovelace'),
    named(`Member ${NAME_OF.script}`),
    named('Reason Chat'),
    named('Model =1+1 openai'),
    named('Non-BYOK only'),
  ]);
  assert.notEqual(await page.title(), 'hacked');
  await page.getByRole('link', { name: named(`Member ${NAME_OF.script}`) }).click();
  await soon('one chip less', async () => assert.equal((await chips(page)).length, 5));
  assert.equal(new URL(page.url()).search, `?${state.replace('&member=script', '')}`);
  await page.getByRole('link', { name: named('Period') }).click();
  await soon('one chip less', async () => assert.equal((await chips(page)).length, 4));
  await page.getByRole('link', { name: 'Clear all' }).first().click();
  await shows(page, {});
  assert.deepEqual(await chips(page), []);
  assert.equal(new URL(page.url()).search, '');
  await close(page);
});

test('back, reload and a link sent to a colleague show the same view', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  await page.getByRole('link', { name: 'Last month' }).click();
  await shows(page, { range: 'last_month' });
  await page.locator('#by-reason').getByRole('link', { name: 'Chat' }).click();
  await shows(page, { range: 'last_month', reasons: ['chat'] });
  const [address, title] = [page.url(), await page.title()];
  const rows = await breakdown(page, 'member');

  await page.reload();
  assert.deepEqual(await breakdown(page, 'member'), rows);
  await page.goBack();
  await shows(page, { range: 'last_month' });
  await page.goForward();
  await shows(page, { range: 'last_month', reasons: ['chat'] });

  const colleague = await openWindow(room, { orgs: ['acme'] });
  await colleague.goto(address);
  assert.equal(await colleague.title(), title);
  assert.deepEqual(await breakdown(colleague, 'member'), rows);
  assert.match(title, /^Audit – Last month – Acme GmbH$/);
  await close(colleague);
  await close(page);
});

test('an address with an unknown value matches nothing, and one that is malformed says so', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month&member=nobody`);
  await page.getByText('No calls match these filters.').waitFor();
  assert.equal((await chips(page)).length, 2);
  page.expected.push(/400/);
  await page.goto(`${AUDIT}?byok=perhaps`);
  await page.getByText('byok must be only or none').waitFor();
  await assertAccessible(page, 'malformed');
  await close(page);
});
