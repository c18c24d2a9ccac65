// An organisation of more members than a list shows: what is left out is said, and found.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { breakdown, chips, exact, open } from './support/audit.js';
import { assertAccessible, close, openWindow, useBrowser } from './support/browser.js';
import { parse } from './support/csv.js';
import { soon } from './support/eventually.js';
import { decimal, sum } from './support/model.js';
import { openRoom } from './support/room.js';

const CROWD = '/orgs/crowd/settings/audit';
const MEMBERS = 150;
const NAMES = Array.from({ length: MEMBERS }, (_, n) => `Member ${String(n).padStart(3, '0')}`);
/** The first ones spent most. */
const CREDITS = NAMES.map((_, n) => `${MEMBERS - n}.25`);
const TOTAL = decimal(sum(CREDITS));

let room;
useBrowser();
before(async () => {
  room = await openRoom('crowd');
  room.tell([
    { org_id: 'crowd', organisation: { short_name: 'crowd', display_name: 'Crowd AG', time_zone: 'UTC' } },
    ...NAMES.map((name, n) => ({ org_id: 'crowd', member: { member_id: `m-${n}`, name, email: `m${n}@crowd.example` } })),
  ]);
  const now = Date.now();
  room.publish(
    NAMES.map((_, n) => ({
      occurred_at: new Date(now - n).toISOString(),
      org_id: 'crowd',
      member_id: `m-${n}`,
      reason: 'chat',
      provider: 'openai',
      model: 'gpt-6-sol',
      input_tokens: 10,
      output_tokens: 1,
      credits: CREDITS[n],
    })),
  );
  await room.counts('crowd', MEMBERS, 'range=last_30_days');
});
after(() => room?.close());

test('Show all shows as many members as a page can bear, sums up the others, and says that the file has all', async () => {
  const page = await openWindow(room, { orgs: ['crowd'] });
  await page.goto(`${CROWD}?range=last_30_days`);
  await page.getByRole('link', { name: `Show all (${MEMBERS})` }).or(page.getByRole('button', { name: `Show all (${MEMBERS})` })).click();
  await soon('all members', async () => assert.match(page.url(), /members=all/));
  const rows = await breakdown(page, 'member');
  assert.deepEqual(rows.slice(0, 100).map(({ name, credits }) => [name, exact(credits)]), NAMES.slice(0, 100).map((name, n) => [name, exact(CREDITS[n])]));
  assert.equal(rows.length, 101);
  assert.equal(decimal(sum(rows.map(({ credits }) => credits))), TOTAL);
  await page.getByText(`of ${MEMBERS} · Export CSV has all`).waitFor();
  await assertAccessible(page, 'a hundred of many members');
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
  assert.equal(parse(readFileSync(await download.path(), 'utf8')).length, MEMBERS);
  await close(page);
});

test('a member beyond the listed options is found by typing, chosen, and stays beside the others', async () => {
  const page = await openWindow(room, { orgs: ['crowd'] });
  await page.goto(`${CROWD}?range=last_30_days&member=m-3`);
  const drop = await open(page, 'Members');
  await drop.getByText('more: search to find them').waitFor();
  assert.equal(await drop.getByRole('checkbox', { name: 'Member 149' }).count(), 0);
  await drop.getByRole('searchbox').fill('member 149');
  await drop.getByRole('checkbox', { name: /^Member 149/ }).check();
  // What was chosen before is still there, though it does not match.
  assert.equal(await drop.getByRole('checkbox', { name: /^Member 003/ }).isChecked(), true);
  await drop.getByRole('button', { name: 'Apply' }).click();
  await soon('both', async () => assert.match(page.url(), /member=m-3&member=m-149|member=m-149&member=m-3/));
  const shown = (await chips(page)).filter((chip) => /Member \d/.test(chip));
  assert.equal(shown.length, 2, shown.join());
  const rows = await breakdown(page, 'member');
  assert.deepEqual(rows.map(({ name, credits }) => [name, exact(credits)]), [['Member 003', '147.25'], ['Member 149', '1.25']]);

  const again = await open(page, 'Members');
  await again.getByRole('searchbox').fill('nobody of this name');
  await again.getByText('No member matches').waitFor();
  await close(page);
});

test('a member that the directory does not know yet is Unknown user, until it does', async () => {
  const page = await openWindow(room, { orgs: ['crowd'] });
  const address = `${CROWD}?range=last_30_days&member=newcomer`;
  room.publish([
    {
      occurred_at: new Date().toISOString(),
      org_id: 'crowd',
      member_id: 'newcomer',
      reason: 'chat',
      provider: 'openai',
      model: 'gpt-6-sol',
      input_tokens: 10,
      output_tokens: 1,
      credits: '0.5',
    },
  ]);
  await room.counts('crowd', MEMBERS + 1, 'range=last_30_days');
  const named = async () => {
    await page.goto(address);
    return (await breakdown(page, 'member')).map(({ name, credits }) => [name, exact(credits)]);
  };
  assert.deepEqual(await named(), [['Unknown user', '0.5']]);
  room.tell([{ org_id: 'crowd', member: { member_id: 'newcomer', name: 'Nora New', email: 'nora@crowd.example' } }]);
  await soon('her name', async () => assert.deepEqual(await named(), [['Nora New', '0.5']]));
  assert.ok((await page.locator('#calls').innerText()).includes('Nora New'));
  await close(page);
});
