// The audit log, its export, and one call: what the page shows, the API says and the file holds is the same.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { AUDIT, exact, log } from './support/audit.js';
import { assertAccessible, close, openWindow, useBrowser } from './support/browser.js';
import { parse } from './support/csv.js';
import { soon } from './support/eventually.js';
import { daysOf, dateIn, matching } from './support/model.js';
import { openRoom } from './support/room.js';
import { EMAIL_OF, NAME_OF, furnish } from './support/world.js';

const REASON = 'No rows match the current filters — widen the date range or clear a filter to enable export.';
const LABELS = { chat: 'Chat', generate_field: 'Generate field', summarize_cv: 'Summarize CV' };
const SYMBOLS = { USD: '$', EUR: '€' };
let room, world;
useBrowser();
before(async () => {
  room = await openRoom('log');
  world = await furnish(room);
});
after(() => room?.close());

/** A call as its row must read. */
function row(call) {
  const known = call.member_id in NAME_OF;
  return {
    at: call.occurred_at,
    name: known ? NAME_OF[call.member_id] : 'Unknown user',
    reason: LABELS[call.reason] ?? call.reason,
    provider: call.provider,
    model: call.model,
    tokens: `${call.input_tokens.toLocaleString('en')} in ${call.output_tokens} out`,
    byok: Boolean(call.currency),
    amount: exact(call.currency ? `${SYMBOLS[call.currency]}${call.provider_cost}` : call.credits),
  };
}

/** What the page of a call says, by name. */
async function facts(page) {
  const pairs = await page.locator('.facts > div').evaluateAll((lines) =>
    lines.map((line) => [...line.children].map((part) => part.textContent.replace(/\s+/g, ' ').trim())),
  );
  return Object.fromEntries(pairs);
}

/** An instant by the organisation's clock: `14 Nov 2026 13:04:59`. */
function moment(instant) {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: world.zone, dateStyle: 'medium', timeStyle: 'medium' });
  return format.format(new Date(instant)).replace(',', '').replace('Sept', 'Sep');
}

const comparable = ({ utc, note, amount, ...rest }) => ({ ...rest, amount: exact(amount) });

test('fifty calls at a time, newest first, until the end of the results', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  const expected = matching(world, { range: 'last_month' }).map(row);
  assert.equal(expected.length, 130);
  assert.deepEqual((await log(page)).map(comparable), expected.slice(0, 50));
  const more = page.getByRole('link', { name: 'Load more' }).or(page.getByRole('button', { name: 'Load more' }));
  for (const shown of [100, 130]) {
    await more.click();
    await soon(`${shown} calls`, async () => assert.equal((await log(page)).length, shown));
  }
  assert.deepEqual((await log(page)).map(comparable), expected);
  await page.getByText('End of results for this filter').waitFor();
  assert.equal(await more.count(), 0);
  await assertAccessible(page, 'the end of the log');
  await close(page);
});

test('a row tells who by name and e-mail, and when to the millisecond', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month&member=long&member=rtl`);
  for (const { name, note, at, utc } of await log(page)) {
    assert.equal(note, EMAIL_OF[Object.keys(NAME_OF).find((id) => NAME_OF[id] === name)]);
    assert.equal(utc, `${at.replace('T', ' ').replace('Z', '')} UTC`);
  }
  await page.getByRole('columnheader', { name: 'When (Europe/Berlin)' }).waitFor();
  await close(page);
});

test('the export is the filtered log as a file, named after the organisation and its days', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month&member=ada&member=script&member=long&member=gone-1`);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Export CSV' }).click(),
  ]);
  const [since, until] = daysOf('last_month', dateIn(world.zone, Date.now()));
  assert.equal(download.suggestedFilename(), `intervy-usage_acme_${since}_${until}.csv`);
  const text = readFileSync(await download.path(), 'utf8');
  const file = parse(text);
  const calls = matching(world, { range: 'last_month', members: ['ada', 'script', 'long', 'gone-1'] });
  assert.equal(file.length, calls.length);
  for (const [place, line] of file.entries()) {
    const call = calls[place];
    // A cell that would begin a formula has an apostrophe before it.
    const safe = (value) => (/^[=+\-@]/.test(value) ? `'${value}` : value);
    assert.equal(line['time (UTC)'], call.occurred_at.replace('T', ' ').replace('Z', ''));
    assert.equal(line.name, safe(NAME_OF[call.member_id] ?? 'Unknown user'));
    assert.equal(line.email, EMAIL_OF[call.member_id] ?? '');
    assert.equal(line.model, safe(call.model));
    assert.equal(line['input tokens'], `${call.input_tokens}`);
    assert.equal(line.credits, call.currency ? '' : exact(call.credits));
    assert.equal(line['provider cost'], call.currency ? call.provider_cost : '');
    assert.equal(line.currency, call.currency ?? '');
    assert.equal(line['member id'], call.member_id);
  }
  const { calls: rows } = await room.ask('acme', 'calls?range=last_month&limit=200&member=ada&member=script&member=long&member=gone-1');
  assert.deepEqual(file.map((line) => line['event id']), rows.map((call) => call.event_id));
  await close(page);
});

test('the export of nothing is disabled, and says why on hover and on focus', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month&member=nobody`);
  const button = page.getByRole('button', { name: 'Export CSV' });
  assert.equal(await button.getAttribute('aria-disabled'), 'true');
  const why = page.getByText(REASON);
  assert.equal(await why.isVisible(), false);
  await button.hover();
  await why.waitFor();
  await why.hover();
  assert.equal(await why.isVisible(), true);
  await page.mouse.move(0, 0);
  await soon('the message to go', async () => assert.equal(await why.isVisible(), false));
  await button.focus();
  await why.waitFor();
  await assertAccessible(page, 'why the export is disabled');
  await page.keyboard.press('Escape');
  await soon('the message to go', async () => assert.equal(await why.isVisible(), false));
  let downloads = 0;
  page.on('download', () => (downloads += 1));
  await button.click({ force: true });
  assert.equal(downloads, 0);
  await close(page);
});

test('what arrives while a page is read changes neither its next rows nor its file', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(AUDIT);
  const before = matching(world);
  const late = { ...before[0], occurred_at: new Date(Date.parse(before.at(-1).occurred_at) + 1).toISOString(), credits: '1000' };
  delete late.provider_cost;
  delete late.currency;
  room.publish([late]);
  await room.counts('acme', before.length + 1, '');
  await page.locator('#more').click();
  await soon('the rest', async () => assert.equal((await log(page)).length, before.length));
  assert.deepEqual((await log(page)).map(comparable), before.map(row));
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
  assert.equal(parse(readFileSync(await download.path(), 'utf8')).length, before.length);
  // Only a fresh look has it.
  await page.getByRole('link', { name: 'Refresh' }).click();
  await soon('one more', async () => assert.match(await page.locator('#shown').innerText(), new RegExp(`${before.length + 1} calls`)));
  world.calls.push(late);
  await close(page);
});

test('the way back from a call leads to the log as it was left', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  await page.locator('#more').click();
  await soon('more than a page', async () => assert.ok((await log(page)).length > 50));
  const left = await log(page);
  await page.locator('#calls a').last().click();
  await page.getByRole('link', { name: 'Back to the audit log' }).click();
  await page.locator('#calls').waitFor();
  assert.equal(new URL(page.url()).search, '?range=last_month');
  assert.deepEqual(await log(page), left.slice(0, (await log(page)).length));
  // Who came from elsewhere is led to the log itself.
  await page.goto(await page.locator('#calls a').first().evaluate((link) => link.href));
  await page.getByRole('link', { name: 'Back to the audit log' }).click();
  await page.locator('#cards').waitFor();
  assert.equal(new URL(page.url()).pathname, new URL(AUDIT, page.url()).pathname);
  await close(page);
});

test('a call is found by its event id, with its place in Kafka and whoever told it again', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  const { calls } = await room.ask('acme', 'calls?range=last_month&limit=200');
  const call = calls.find((call) => call.credits !== null);
  const told = {
    event_id: call.event_id,
    occurred_at: call.occurred_at,
    org_id: 'acme',
    member_id: call.member.member_id,
    reason: call.reason,
    provider: call.provider,
    model: call.model,
    input_tokens: call.input_tokens,
    output_tokens: call.output_tokens,
    credits: call.credits,
  };
  room.publish([told]);
  room.publish([{ ...told, credits: '77.5' }]);
  await soon('both to be kept', async () => {
    const found = await room.ask('acme', `calls/${call.event_id}`);
    assert.equal(found.repeats.length + found.conflicts.length, 2);
  });

  await page.goto(AUDIT);
  const find = page.getByRole('search', { name: 'Find a call' });
  await find.getByRole('textbox').fill(` ${call.event_id} `);
  await find.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('heading', { name: 'AI call' }).waitFor();
  const answer = await room.ask('acme', `calls/${call.event_id}`);
  const utc = (instant) => `${instant.replace('T', ' ').replace('Z', '')} UTC`;
  const { message } = answer;
  const member = answer.call.member;
  assert.deepEqual(await facts(page), {
    When: `${moment(answer.call.occurred_at)} ${utc(answer.call.occurred_at)}`,
    User: [member.label, member.email, member.member_id].filter(Boolean).join(' '),
    Reason: call.reason_label === call.reason ? call.reason : `${call.reason_label} ${call.reason}`,
    Model: `${call.model} ${call.provider}`,
    Tokens: `${call.input_tokens.toLocaleString('en')} in · ${call.output_tokens.toLocaleString('en')} out`,
    Credits: call.credits,
    'Event id': call.event_id,
    Topic: `${room.name}.calls source ${message.source}`,
    Partition: `${message.partition}`,
    Offset: message.offset.toLocaleString('en'),
    Appended: `${moment(message.appended_at)} ${utc(message.appended_at)}`,
  });
  const again = await page.locator('.again tbody tr').evaluateAll((rows) =>
    rows.map((row) => [...row.children].map((cell) => cell.textContent.trim())),
  );
  const [repeat, conflict] = [answer.repeats[0], answer.conflicts[0].message];
  const place = ({ partition, offset, appended_at }) => [`${partition}`, offset.toLocaleString('en'), moment(appended_at)];
  assert.deepEqual(again, [
    ['Repeat', ...place(repeat), 'Nothing: the same content'],
    ['Conflict', ...place(conflict), 'Charge: 77.5 credits'],
  ]);
  await assertAccessible(page, 'a call');

  page.expected.push(/40[04]/);
  await page.getByRole('textbox').fill('not an id');
  await page.getByRole('button', { name: 'Open' }).click();
  await soon('the mistake', async () => assert.equal(await page.getByRole('textbox').getAttribute('aria-invalid'), 'true'));
  await assertAccessible(page, 'no event id');
  await page.getByRole('textbox').fill('01900000-0000-7000-8000-000000000000');
  await page.getByRole('button', { name: 'Open' }).click();
  await soon('the mistake', async () => assert.equal(await page.getByRole('textbox').getAttribute('aria-invalid'), 'true'));
  await close(page);
});
