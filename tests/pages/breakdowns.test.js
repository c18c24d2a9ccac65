// The three breakdowns of Settings → Audit, against calls counted one by one and against the API.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AUDIT, breakdown, exact, segments } from './support/audit.js';
import { assertAccessible, close, openWindow, useBrowser } from './support/browser.js';
import { soon } from './support/eventually.js';
import { grouped, matching, totals, units } from './support/model.js';
import { openRoom } from './support/room.js';
import { NAME_OF, furnish } from './support/world.js';

const LABELS = { chat: 'Chat', generate_field: 'Generate field', summarize_cv: 'Summarize CV' };
const RANGE = { range: 'last_month' };
let room, world;
useBrowser();
before(async () => {
  room = await openRoom('breakdowns');
  world = await furnish(room);
});
after(() => room?.close());

const shared = (part, whole) => `${Number((units(part) * 10_000n) / units(whole)) / 100}`;

test('by reason and by model show credits and share, most first, with a bar of the same order', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  const calls = matching(world, RANGE);
  const whole = totals(calls).credits;
  for (const [kind, keyOf, nameOf] of [
    ['reason', (call) => call.reason, (key) => LABELS[key] ?? key],
    ['model', (call) => `${call.provider}\n${call.model}`, (key) => key.split('\n')[1]],
  ]) {
    const rows = await breakdown(page, kind);
    const expected = grouped(calls, keyOf);
    assert.deepEqual(
      rows.map(({ name, credits }) => [name, exact(credits)]),
      expected.map(({ key, credits }) => [nameOf(key), credits]),
    );
    for (const [place, { credits }] of expected.entries()) {
      assert.ok(Math.abs(parseFloat(rows[place].last) - shared(credits, whole)) < 0.06, `${rows[place].last} of ${credits}`);
    }
    assert.equal(await segments(page, kind), expected.length);
  }
  await close(page);
});

test('the API says the same to the last digit', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month&members=all`);
  const answer = await room.ask('acme', 'breakdowns?range=last_month');
  const shown = async (kind) => (await breakdown(page, kind)).map(({ name, credits }) => [name, exact(credits)]);
  assert.deepEqual(await shown('reason'), answer.by_reason.map((row) => [row.label, row.credits]));
  assert.deepEqual(await shown('model'), answer.by_model.map((row) => [row.model, row.credits]));
  assert.deepEqual(await shown('member'), answer.by_member.map((row) => [row.label, row.credits]));
  await close(page);
});

test('five members at first, Show all lists everybody, Show top 5 takes them back', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  const expected = grouped(matching(world, RANGE), (call) => call.member_id);
  const named = ({ key, credits, calls }) => [NAME_OF[key] ?? 'Unknown user', credits, `${calls}`];
  const people = (rows) => rows.filter(({ name }) => !/^(Next|Other)/.test(name)).map((row) => [row.name, exact(row.credits), row.last]);

  const rows = await breakdown(page, 'member');
  assert.deepEqual(people(rows), expected.slice(0, 5).map(named));
  // The sixth and seventh share a row, so that the rows add up to the whole.
  assert.deepEqual(rows.slice(5).map(({ name }) => name), ['Next 2', `Other (${expected.length - 7})`]);
  const added = rows.reduce((sum, { credits }) => sum + units(exact(credits)), 0n);
  assert.equal(added, units(totals(matching(world, RANGE)).credits));
  assert.equal(rows.reduce((sum, { last }) => sum + Number(last), 0), matching(world, RANGE).length);
  // Seven people have a segment of their own, the rest share one.
  assert.equal(await segments(page, 'member'), 8);
  const toggle = page.locator('#toggle-member');
  assert.equal(await toggle.innerText(), `Show all (${expected.length})`);
  assert.equal(await toggle.getAttribute('aria-expanded'), 'false');

  await toggle.click();
  await soon('everybody', async () => assert.deepEqual(people(await breakdown(page, 'member')), expected.map(named)));
  assert.equal(await toggle.innerText(), 'Show top 5');
  assert.equal(await toggle.getAttribute('aria-expanded'), 'true');
  await assertAccessible(page, 'all members');
  await toggle.click();
  await soon('the first five', async () => assert.equal(people(await breakdown(page, 'member')).length, 5));
  await close(page);
});

test('up to seven members have a segment each, and with eight the eighth is in Other', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  const ids = grouped(matching(world, RANGE), (call) => call.member_id).map(({ key }) => key);
  const query = (count) => ids.slice(0, count).map((id) => `&member=${id}`).join('');
  await page.goto(`${AUDIT}?range=last_month${query(7)}`);
  assert.equal(await segments(page, 'member'), 7);
  await page.goto(`${AUDIT}?range=last_month${query(8)}`);
  assert.equal(await segments(page, 'member'), 8);
  await page.getByText('Other (1)').waitFor();
  await close(page);
});

test('people who left or were never told of are Unknown user, each for themselves, and their money stays', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month&members=all`);
  const rows = (await breakdown(page, 'member')).filter(({ name }) => name === 'Unknown user');
  const unknown = grouped(matching(world, RANGE), (call) => call.member_id).filter(({ key }) => !NAME_OF[key]);
  assert.deepEqual(rows.map(({ id, credits }) => [id, exact(credits)]), unknown.map(({ key, credits }) => [key, credits]));
  assert.equal(rows.length, 3);
  await close(page);
});

test('BYOK calls are counted, and their cost stands apart by currency', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  const { cost } = totals(matching(world, RANGE));
  const told = await page.getByText('BYOK, not in credits').first().locator('..').innerText();
  for (const [currency, amount] of Object.entries(cost)) {
    assert.ok(told.includes(`${{ USD: '$', EUR: '€' }[currency]}${amount}`), `${told} lacks ${amount}`);
  }
  await page.goto(`${AUDIT}?range=last_month&byok=only`);
  await page.getByText('No credits in this period').first().waitFor();
  const rows = await breakdown(page, 'reason');
  assert.ok(rows.every(({ credits }) => credits === '0'));
  await assertAccessible(page, 'BYOK only');
  await close(page);
});

test('one click on a model and a look at By member tell who spent most on it', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  await page.getByRole('link', { name: 'Last month' }).click();
  await page.waitForURL(/range=last_month/);
  await soon('last month', async () => assert.equal(await page.locator('.presets [aria-current]').innerText(), 'Last month'));
  await page.locator('#by-model').getByRole('link', { name: 'claude-opus-5' }).click();
  const models = (call) => call.model === 'claude-opus-5';
  const [first] = grouped(matching(world, RANGE).filter(models), (call) => call.member_id);
  await soon('who spent most', async () => {
    const [row] = await breakdown(page, 'member');
    assert.deepEqual([row.name, exact(row.credits)], [NAME_OF[first.key] ?? 'Unknown user', first.credits]);
  });
  await close(page);
});
