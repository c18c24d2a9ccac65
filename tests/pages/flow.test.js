// What the pages are for, as a new user does it; and that page, API and file say the same to the last digit.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { AUDIT, breakdown, cards, exact, log } from './support/audit.js';
import { close, openWindow, useBrowser } from './support/browser.js';
import { parse } from './support/csv.js';
import { soon } from './support/eventually.js';
import { dateIn, daysOf, decimal, grouped, matching, sum, totals } from './support/model.js';
import { openRoom } from './support/room.js';
import { NAME_OF, furnish } from './support/world.js';

const USAGE = '/orgs/acme/settings/usage';
const SYMBOLS = { USD: '$', EUR: '€' };
let room, world;
useBrowser();
before(async () => {
  room = await openRoom('flow');
  world = await furnish(room);
});
after(() => room?.close());

async function exported(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') };
}

test('from the link to who spent most on a model last month, and the file of it, are four clicks', async () => {
  const page = await openWindow(room);
  await page.goto(room.link(['acme']));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'Last month' }).click();
  await page.waitForURL(/range=last_month/);
  await page.locator('#by-model').getByRole('link', { name: 'claude-opus-5' }).click();
  const models = ['anthropic/claude-opus-5'];
  const calls = matching(world, { range: 'last_month', models });
  const [most] = grouped(calls, (call) => call.member_id);
  await soon('who spent most', async () => {
    const [first] = await breakdown(page, 'member');
    assert.deepEqual([first.name, exact(first.credits)], [NAME_OF[most.key] ?? 'Unknown user', most.credits]);
  });

  const { name, text } = await exported(page);
  const [since, until] = daysOf('last_month', dateIn(world.zone, Date.now()));
  assert.equal(name, `intervy-usage_acme_${since}_${until}.csv`);
  const file = parse(text);
  assert.equal(file.length, calls.length);
  assert.ok(file.every((line) => line.model === 'claude-opus-5'));
  const ofMost = file.filter((line) => line.name === (NAME_OF[most.key] ?? 'Unknown user') && line.credits);
  assert.equal(decimal(sum(ofMost.map((line) => line.credits))), most.credits);
  await close(page);
});

test('the file has the columns of the table in its order, and each cell says what its row says', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  const heads = (await page.locator('.calls thead th').allInnerTexts()).map((text) => text.split(/[\s(]/)[0]);
  assert.deepEqual(heads, ['When', 'User', 'Reason', 'Model', 'Tokens', 'Credits']);
  while (await page.locator('#more').count()) {
    const shown = await page.locator('#calls tr').count();
    await page.locator('#more').click();
    await soon('more', async () => assert.notEqual(await page.locator('#calls tr').count(), shown));
  }
  const rows = await log(page);
  const { text } = await exported(page);
  assert.equal(
    text.split('\r\n')[0],
    'time (UTC),name,email,reason,provider,model,input tokens,output tokens,credits,byok,provider cost,currency,event id,member id',
  );
  // A cell that would begin a formula has an apostrophe before it, which is no part of what it says.
  const said = (cell) => cell.replace(/^'(?=[=+\-@'])/, '');
  const thousands = (number) => Number(number).toLocaleString('en');
  assert.deepEqual(
    parse(text).map((line) => ({
      utc: `${line['time (UTC)']} UTC`,
      name: said(line.name),
      reason: said(line.reason),
      provider: said(line.provider),
      model: said(line.model),
      tokens: `${thousands(line['input tokens'])} in ${thousands(line['output tokens'])} out`,
      byok: line.byok === 'yes',
      amount: exact(line.byok === 'yes' ? `${SYMBOLS[line.currency]}${line['provider cost']}` : line.credits),
      email: line.email,
    })),
    rows.map(({ utc, name, note, reason, provider, model, tokens, byok, amount }) => ({
      utc,
      name,
      reason,
      provider,
      model,
      tokens,
      byok,
      amount: exact(amount),
      email: name === 'Unknown user' ? '' : note,
    })),
  );
  assert.equal(rows.length, 130);
  await close(page);
});

test('every figure of the Audit page is that of the API', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month&members=all`);
  const [summary, answer] = [await room.ask('acme', 'summary'), await room.ask('acme', 'breakdowns?range=last_month')];
  const shown = await cards(page);
  assert.deepEqual(
    Object.values(shown).map(({ figure }) => exact(figure)),
    [summary.this_month.credits, summary.last_month.credits, `${summary.active_members ?? summary.this_month.active_members}`],
  );
  const share = ({ share, credits }) => (share === '0.0' && credits !== '0' ? '<0.1%' : `${share}%`);
  const read = async (kind) => (await breakdown(page, kind)).map(({ name, credits, last }) => [name, exact(credits), last]);
  assert.deepEqual(await read('reason'), answer.by_reason.map((row) => [row.label, row.credits, share(row)]));
  assert.deepEqual(await read('model'), answer.by_model.map((row) => [row.model, row.credits, share(row)]));
  assert.deepEqual(await read('member'), answer.by_member.map((row) => [row.label, row.credits, `${row.calls}`]));
  await close(page);
});

test('every figure of the Usage page is that of the API and of the calls', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${USAGE}?range=last_30_days`);
  const { totals: said } = await room.ask('acme', 'usage?range=last_30_days');
  const calls = matching(world, { range: 'last_30_days' });
  const shown = await page.locator('.total').evaluateAll((boxes) =>
    boxes.map((box) => [...box.querySelectorAll('p')].slice(0, 2).map((line) => line.textContent.trim())),
  );
  const { credits, cost } = totals(calls);
  const tokens = (field) => calls.reduce((total, call) => total + call[field], 0);
  const plain = { Credits: credits, Calls: calls.length, 'Input tokens': tokens('input_tokens'), 'Output tokens': tokens('output_tokens') };
  assert.deepEqual([said.credits, said.calls, said.input_tokens, said.output_tokens], Object.values(plain));
  for (const [label, value] of Object.entries(plain)) {
    assert.equal(exact(shown.find(([name]) => name === label)[1]), `${value}`, label);
  }
  for (const [currency, amount] of Object.entries(cost)) {
    const [, value] = shown.find(([label]) => label.startsWith(currency));
    assert.equal(exact(value.replace(SYMBOLS[currency], '')), amount, currency);
  }
  await close(page);
});
