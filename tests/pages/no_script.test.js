// Without a script everything works but what cannot: each control is used, and the page that comes is read.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { AUDIT, breakdown, chips, log } from './support/audit.js';
import { close, openWindow, useBrowser } from './support/browser.js';
import { parse } from './support/csv.js';
import { addDays, dateIn, matching } from './support/model.js';
import { openRoom } from './support/room.js';
import { NAME_OF, furnish } from './support/world.js';

const USAGE = '/orgs/acme/settings/usage';
let room, world;
useBrowser();
before(async () => {
  room = await openRoom('no_script');
  world = await furnish(room);
});
after(() => room?.close());

const window = (more) => openWindow(room, { orgs: ['acme', 'silent'], script: false, ...more });

/** Clicks, waits for the page that comes, and fails unless it shows what a filter keeps. */
async function clickShows(page, target, filter) {
  await Promise.all([page.waitForEvent('load'), target.click()]);
  const { length } = matching(world, filter);
  assert.match(await page.locator('#shown').innerText(), new RegExp(`· ${length} calls?$`));
  assert.equal((await log(page)).length, Math.min(length, 50));
}

test('days are chosen by Custom, and mistakes are told beside their field', async () => {
  const page = await window();
  await page.goto(AUDIT);
  await Promise.all([page.waitForEvent('load'), page.getByRole('link', { name: 'Custom' }).click()]);
  const today = dateIn(world.zone, Date.now());
  const since = addDays(today, -20);
  await page.getByLabel('Since').fill(today);
  await page.getByLabel('Until').fill(since);
  await Promise.all([page.waitForEvent('load'), page.locator('#apply-custom').click()]);
  await page.getByText('Since is after Until. Choose a start date on or before the end date.').waitFor();
  assert.equal(await page.getByLabel('Since').inputValue(), today);
  await page.getByLabel('Since').fill(since);
  await page.getByLabel('Until').fill(today);
  await clickShows(page, page.locator('#apply-custom'), { since, until: today });
  await close(page);
});

test('members, reasons, models and BYOK narrow the page, chips take them back, Clear all takes all', async () => {
  const page = await window();
  await page.goto(`${AUDIT}?range=last_month`);
  const filter = { range: 'last_month' };
  const apply = page.locator('.drop[open]').getByRole('button', { name: 'Apply' });
  for (const [drop, name, more] of [
    ['members', /^Ada Lovelace/, { members: ['ada'] }],
    ['reasons', /^Chat/, { reasons: ['chat'] }],
    ['models', /gpt-6-sol/, { models: ['openai/gpt-6-sol'] }],
  ]) {
    await page.locator(`#drop-${drop} > summary`).click();
    await page.locator('.drop[open]').getByRole('checkbox', { name }).check();
    await clickShows(page, apply, Object.assign(filter, more));
  }
  await page.locator('#drop-byok > summary').click();
  await clickShows(page, page.locator('#drop-byok').getByRole('link', { name: /^Non-BYOK only/ }), { ...filter, byok: 'none' });
  assert.equal((await chips(page)).length, 5);
  await clickShows(page, page.getByRole('link', { name: 'Remove filter: Model' }), { ...filter, models: [], byok: 'none' });
  await page.locator('#drop-members > summary').click();
  await clickShows(page, page.locator('#clear-members'), { range: 'last_month', reasons: ['chat'], byok: 'none' });
  await clickShows(page, page.locator('#clear-all'), {});
  assert.equal(new URL(page.url()).search, '');
  await close(page);
});

test('a name in a breakdown is a filter, Show all lists everybody, and the log goes on and back', async () => {
  const page = await window();
  await page.goto(AUDIT);
  await clickShows(page, page.getByRole('link', { name: 'Last month' }), { range: 'last_month' });
  await Promise.all([page.waitForEvent('load'), page.locator('#toggle-member').click()]);
  const members = new Set(matching(world, { range: 'last_month' }).map((call) => call.member_id));
  assert.equal((await breakdown(page, 'member')).length, members.size);
  await Promise.all([page.waitForEvent('load'), page.locator('#toggle-member').click()]);
  const first = await log(page);
  await Promise.all([page.waitForEvent('load'), page.locator('#more').click()]);
  await Promise.all([page.waitForEvent('load'), page.locator('#more').click()]);
  assert.equal((await log(page)).length, 30);
  await page.getByText('End of results for this filter').waitFor();
  assert.match(page.url(), /as_of=/);
  await Promise.all([page.waitForEvent('load'), page.getByRole('link', { name: 'Refresh' }).click()]);
  assert.equal(new URL(page.url()).search, '?range=last_month');
  assert.deepEqual(await log(page), first);
  await page.goBack();
  await Promise.all([page.waitForEvent('load'), page.getByRole('link', { name: 'Back to newest' }).click()]);
  assert.deepEqual(await log(page), first);
  await clickShows(page, page.locator('#by-model').getByRole('link', { name: 'claude-opus-5' }), {
    range: 'last_month',
    models: ['anthropic/claude-opus-5'],
  });
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
  assert.equal(parse(readFileSync(await download.path(), 'utf8')).length, (await log(page)).length);
  await close(page);
});

test('why there is no export is shown beside the button by hover and by focus', async () => {
  const page = await window();
  await page.goto(`${AUDIT}?member=nobody`);
  const why = page.getByText('No rows match the current filters — widen the date range or clear a filter to enable export.');
  assert.equal(await why.isVisible(), false);
  await page.locator('#export').focus();
  await why.waitFor();
  await page.locator('#export').blur();
  await page.locator('#export').hover();
  await why.waitFor();
  await close(page);
});

test('a call is found by its event id, and a wrong one is told', async () => {
  const page = await window();
  const { calls } = await room.ask('acme', 'calls?range=last_month&limit=1');
  await page.goto(AUDIT);
  await page.locator('#find-call').fill(calls[0].event_id);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('heading', { name: 'AI call' }).waitFor();
  assert.ok((await page.locator('main').innerText()).includes(calls[0].event_id));
  page.expected.push(/400/);
  await page.locator('#find-call').fill('nonsense');
  await page.getByRole('button', { name: 'Open' }).click();
  await page.locator('#find-call[aria-invalid=true]').waitFor();
  await close(page);
});

test('the theme is chosen and stays, and brings back to where it was chosen', async () => {
  const page = await window();
  await page.goto(`${AUDIT}?range=last_month`);
  const ground = () => page.locator('html').evaluate((root) => getComputedStyle(root).backgroundColor);
  const light = await ground();
  await page.locator('#theme > summary').click();
  await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name: 'Dark' }).click()]);
  assert.notEqual(await ground(), light);
  assert.match(page.url(), /\/orgs\/acme\/settings\/audit\?range=last_month$/);
  await close(page);
});

test('the switcher leads to the other organisation, and signing out ends the session', async () => {
  const page = await window();
  await page.goto(AUDIT);
  await page.locator('#switcher > summary').click();
  await page.getByRole('link', { name: 'Silent Partners' }).click();
  await page.getByText('No AI calls yet').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await close(page);
});

test('the link signs in', async () => {
  const page = await openWindow(room, { script: false });
  await page.goto(room.link(['acme']));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'AI usage audit log' }).waitFor();
  await close(page);
});

test('the Usage page steps by day and by month, shows its table, and leads to the same calls', async () => {
  const page = await window();
  await page.goto(USAGE);
  await Promise.all([page.waitForEvent('load'), page.getByRole('link', { name: 'Last month' }).click()]);
  const days = await page.locator('#credits .bars rect').count();
  await Promise.all([page.waitForEvent('load'), page.getByRole('link', { name: 'By month' }).click()]);
  await page.getByRole('heading', { name: 'Credits a month' }).waitFor();
  assert.ok(days > 1 && (await page.locator('#credits .bars rect').count()) === 1);
  await page.getByText('Show as table').click();
  assert.equal(await page.locator('#over-time-table table').isVisible(), true);
  await Promise.all([page.waitForEvent('load'), page.locator('#by-reason').getByRole('link', { name: 'Chat' }).click()]);
  await Promise.all([page.waitForEvent('load'), page.getByRole('link', { name: 'See these calls in Audit' }).click()]);
  const { length } = matching(world, { range: 'last_month', reasons: ['chat'] });
  assert.match(await page.locator('#shown').innerText(), new RegExp(`· ${length} calls$`));
  await close(page);
});

test('names that are markup stay text', async () => {
  const page = await window();
  await page.goto(`${AUDIT}?range=last_month&members=all`);
  assert.ok((await breakdown(page, 'member')).some(({ name }) => name === NAME_OF.script));
  await close(page);
});
