// Settings → Usage: totals and charts against calls counted one by one and against the API.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { breakdown, exact } from './support/audit.js';
import { assertAccessible, assertFitsWidth, close, openWindow, useBrowser } from './support/browser.js';
import { soon } from './support/eventually.js';
import { dateIn, decimal, grouped, matching, sum, totals } from './support/model.js';
import { openRoom } from './support/room.js';
import { furnish } from './support/world.js';

const USAGE = '/orgs/acme/settings/usage';
let room, world;
useBrowser();
before(async () => {
  room = await openRoom('usage');
  world = await furnish(room);
});
after(() => room?.close());

/** The totals by label. */
async function sums(page) {
  const rows = await page.locator('.total').evaluateAll((boxes) =>
    boxes.map((box) => [...box.querySelectorAll('p')].map((line) => line.textContent.replace(/\s+/g, ' ').trim())),
  );
  return Object.fromEntries(rows.map(([label, value, change]) => [label, { value, change }]));
}

/** The rows of the table under the charts: the period, and the one before. */
function table(page) {
  return page.locator('#over-time-table tbody').evaluateAll((bodies) =>
    bodies.map((body) =>
      [...body.querySelectorAll('tr')].slice(1).map((row) => [...row.children].map((cell) => cell.textContent.trim())),
    ),
  );
}

test('totals and their changes are those of the API and of the calls', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${USAGE}?range=last_month`);
  const calls = matching(world, { range: 'last_month' });
  const { credits, cost } = totals(calls);
  const shown = await sums(page);
  assert.equal(exact(shown.Credits.value), credits);
  assert.equal(shown.Calls.value, `${calls.length}`);
  const tokens = (field) => calls.reduce((total, call) => total + call[field], 0).toLocaleString('en');
  assert.equal(shown['Input tokens'].value, tokens('input_tokens'));
  assert.equal(shown['Output tokens'].value, tokens('output_tokens'));
  for (const [currency, amount] of Object.entries(cost)) {
    const [, { value }] = Object.entries(shown).find(([label]) => label.startsWith(currency));
    assert.equal(value, `${{ USD: '$', EUR: '€' }[currency]}${amount}`);
  }
  // Nothing came before: that is new, not a percentage.
  assert.match(shown.Credits.change, /^new from 0$/);
  const answer = await room.ask('acme', 'usage?range=last_month');
  assert.equal(answer.totals.credits, credits);
  await close(page);
});

test('this month is compared with the same days of last month, as the card is', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(USAGE);
  const { change } = (await sums(page)).Credits;
  await page.getByRole('link', { name: 'Audit', exact: true }).click();
  await page.getByRole('heading', { name: 'AI usage audit log' }).waitFor();
  const pill = await page.locator('#cards .pills p').nth(1).locator('.pill').innerText();
  assert.ok(change.startsWith(pill.replace(/\s+/g, ' ').trim()), `${change} / ${pill}`);
  await close(page);
});

test('the chart has a bar for each day with credits, a sentence, and a table that says all of it', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${USAGE}?range=last_month`);
  const byDay = grouped(matching(world, { range: 'last_month' }), (call) => dateIn(world.zone, call.occurred_at));
  const charged = byDay.filter((day) => day.credits !== '0');
  assert.equal(await page.locator('#credits .bars rect').count(), charged.length);

  const sentence = await page.locator('#credits-told').innerText();
  const highest = byDay[0];
  assert.ok(sentence.includes(`Highest: ${Number(highest.credits).toLocaleString('en', { maximumFractionDigits: 12 })} on `), sentence);
  assert.match(sentence, /credits in (28|29|30|31) days, none in /);
  assert.ok(await page.getByRole('img', { name: /Credits a day .*Highest/ }).isVisible());

  await page.getByText('Show as table').click();
  const [rows] = await table(page);
  // Every cell is what the calls of its day add up to, each currency in a column of its own.
  const headings = await page.locator('#over-time-table thead th').allInnerTexts();
  const currencies = ['EUR', 'USD'];
  assert.deepEqual(headings, ['Period', 'Credits', 'Calls', 'Input tokens', 'Output tokens', ...currencies.map((code) => `BYOK cost in ${code}`)]);
  const cells = rows.map(([day, ...values]) => {
    const date = dateIn('UTC', Date.parse(`${day} UTC`));
    const calls = matching(world, { since: date, until: date });
    const { credits, cost } = totals(calls);
    const tokens = (field) => `${calls.reduce((total, call) => total + call[field], 0)}`;
    const told = [credits, `${calls.length}`, tokens('input_tokens'), tokens('output_tokens'), ...currencies.map((code) => cost[code] ?? '0')];
    return { date, told, read: values.map((value) => exact(value.replace(/^[$€]/, ''))) };
  });
  for (const { date, told, read } of cells) assert.deepEqual(read, told, date);
  // Nothing is drawn of two currencies together.
  for (const code of currencies) {
    const costly = cells.filter(({ told }) => told[4 + currencies.indexOf(code)] !== '0');
    assert.equal(await page.locator(`#cost-${code} .bars rect`).count(), costly.length, code);
    assert.ok(await page.getByRole('img', { name: new RegExp(`BYOK cost in ${code} a day .*Highest`) }).isVisible());
  }
  assert.equal(decimal(sum(rows.map(([, credits]) => credits))), totals(matching(world, { range: 'last_month' })).credits);
  assert.equal(rows.filter(([, , calls]) => calls !== '0').length, byDay.length);
  const dates = rows.map(([day]) => dateIn('UTC', Date.parse(`${day} UTC`)));
  assert.deepEqual(dates, [...dates].sort());
  await assertAccessible(page, 'usage with its table');
  await close(page);
});

test('days to come are blank and the running one is marked', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(USAGE);
  await page.getByText('Show as table').click();
  const [rows] = await table(page);
  const today = Number(dateIn(world.zone, Date.now()).slice(8));
  assert.equal(rows.length, today);
  assert.match(rows.at(-1)[0], /so far$/);
  assert.equal(await page.locator('#credits .bars rect.unfinished').count(), exact(rows.at(-1)[1]) === '0' ? 0 : 1);
  await close(page);
});

test('by month is one bar a month', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${USAGE}?range=last_month`);
  await page.getByRole('link', { name: 'By month' }).click();
  await soon('one bar', async () => assert.equal(await page.locator('#credits .bars rect').count(), 1));
  await page.getByRole('heading', { name: 'Credits a month' }).waitFor();
  await soon('the address', async () => assert.match(page.url(), /by=month/));
  await page.getByRole('link', { name: 'By day' }).click();
  await page.getByRole('heading', { name: 'Credits a day' }).waitFor();
  await soon('the address', async () => assert.doesNotMatch(page.url(), /by=/));
  page.expected.push(/400/);
  await page.goto(`${USAGE}?range=custom&since=2020-01-01&until=2026-01-01&by=day`);
  await page.getByText('by must be month for more than 100 days').waitFor();
  await close(page);
});

test('the same calls one by one are a click away, with the same filter', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${USAGE}?range=last_month`);
  await page.locator('#by-model').getByRole('link', { name: 'claude-opus-5' }).click();
  const calls = matching(world, { range: 'last_month', models: ['anthropic/claude-opus-5'] });
  await soon('the filter', async () => assert.equal((await sums(page)).Calls.value, `${calls.length}`));
  const rows = await breakdown(page, 'reason');
  await page.getByRole('link', { name: 'See these calls in Audit' }).click();
  await page.getByRole('heading', { name: 'Audit log', exact: true }).waitFor();
  assert.match(page.url(), /audit\?range=last_month&model=anthropic%2Fclaude-opus-5$/);
  assert.deepEqual(await breakdown(page, 'reason'), rows);
  await close(page);
});

test('every state fits every width in both themes, without a script, and in print', async () => {
  const states = {
    'this month': [USAGE, 'acme'],
    nothing: [`${USAGE}?member=nobody`, 'acme'],
    unfilled: [`${USAGE}?range=custom`, 'acme'],
    'an organisation without a call': ['/orgs/silent/settings/usage', 'silent'],
  };
  for (const dark of [false, true]) {
    const page = await openWindow(room, { orgs: ['acme', 'silent'], dark, script: !dark });
    for (const [state, [path]] of Object.entries(states)) {
      await page.goto(path);
      for (const width of [320, 360, 768, 1280, 1600]) {
        await page.setViewportSize({ width, height: 900 });
        await assertFitsWidth(page, `${state} at ${width} px`);
      }
      if (!dark) await assertAccessible(page, state);
    }
    await close(page);
  }
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(USAGE);
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('#over-time-table table').isVisible(), true);
  assert.equal(await page.getByRole('link', { name: 'By month' }).isVisible(), false);
  await close(page);
});
