// The three cards of Settings → Audit for organisations that rose, fell, began, stopped, and stayed as they were.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cards, exact } from './support/audit.js';
import { assertAccessible, close, openWindow, useBrowser } from './support/browser.js';
import { addDays, dateIn, daysOf, decimal, sum, units } from './support/model.js';
import { openRoom } from './support/room.js';
import { firstInstant } from './support/world.js';

const ZONE = 'Europe/Berlin';
/** Credits by organisation: in the first and in the last instant of last month, and in the first one of this month. */
const CREDITS = {
  rise: { early: ['10'], late: ['30'], now: ['70.25'] },
  fall: { early: ['33.3'], late: ['0.7'], now: ['8.5', '0.000000000001'] },
  fresh: { early: [], late: [], now: ['5'] },
  even: { early: ['7.5'], late: [], now: ['2.5', '5'] },
  stopped: { early: ['5'], late: ['1'], now: [] },
  hair: { early: ['100000'], late: [], now: ['100000.001'] },
  leap: { early: ['1'], late: ['1'], now: ['20.5'] },
};
let room, today;
useBrowser();
before(async () => {
  room = await openRoom('cards');
  today = dateIn(ZONE, Date.now());
  const orgs = Object.keys(CREDITS);
  room.tell(orgs.map((org_id) => ({ org_id, organisation: { short_name: org_id, display_name: `The ${org_id}`, time_zone: ZONE } })));
  room.publish(orgs.flatMap((org) => callsOf(org, CREDITS[org])));
  for (const [org, { early, late, now }] of Object.entries(CREDITS)) {
    await room.counts(org, early.length + late.length, 'range=last_month');
    await room.counts(org, now.length, 'range=this_month');
  }
});
after(() => room?.close());

function callsOf(org_id, { early, late, now }) {
  const month = firstInstant(`${today.slice(0, 7)}-01`, ZONE);
  const before = firstInstant(daysOf('last_month', today)[0], ZONE);
  const call = (instant) => (credits, number) => ({
    occurred_at: new Date(instant).toISOString(),
    org_id,
    member_id: `member-${number}`,
    reason: 'chat',
    provider: 'openai',
    model: 'gpt-6-sol',
    input_tokens: 10,
    output_tokens: 1,
    credits,
  });
  return [...early.map(call(before)), ...late.map(call(month - 1)), ...now.map(call(month))];
}

/** What the same days of last month had: all of it where it is shorter than this month has gone on. */
function sameDays({ early, late }) {
  const lengthOfLast = Number(daysOf('last_month', today)[1].slice(8));
  return Number(today.slice(8)) > lengthOfLast ? [...early, ...late] : early;
}

/** A change as a person hears it: direction, and percent with one decimal, halves away from zero. */
function heard(formerOnes, presentOnes) {
  const [former, present] = [sum(formerOnes), sum(presentOnes)];
  if (former === present) return 'flat';
  if (former === 0n) return 'new';
  if (present === 0n) return 'down −100%';
  const difference = present > former ? present - former : former - present;
  const tenths = (difference * 2000n + former) / (2n * former);
  const sign = present > former ? '+' : '−';
  const word = present > former ? 'up' : 'down';
  if (tenths === 0n) return `${word} <${sign}0.1%`;
  if (tenths >= 10_000n) return `${word} ${sign}${((difference * 200n + former) / (2n * former)).toLocaleString('en')}%`;
  return `${word} ${sign}${tenths / 10n}.${tenths % 10n}%`;
}

async function open(org, options) {
  const page = await openWindow(room, { orgs: [org], ...options });
  await page.goto(`/orgs/${org}/settings/audit`);
  return page;
}

for (const org of Object.keys(CREDITS)) {
  test(`the cards of what is ${org} show sums, members and both changes to the last digit`, async () => {
    const { early, late, now } = CREDITS[org];
    const page = await open(org);
    const shown = await cards(page);
    assert.equal(exact(shown['Credits this month'].figure), decimal(sum(now)));
    assert.equal(exact(shown['Credits last month'].figure), decimal(sum([...early, ...late])));
    assert.equal(shown['Active members this month'].figure, `${now.length}`);
    const [whole, same] = shown['Credits last month'].pills;
    assert.equal(whole, `${heard([...early, ...late], now)} this month so far vs. last month`);
    const [first] = daysOf('last_month', today);
    const month = new Intl.DateTimeFormat('en', { month: 'short', timeZone: 'UTC' }).format(new Date(first));
    const [, change, day] = same.match(new RegExp(`^(.*) vs\\. the same days last month \\(1 ${month} – (\\d+) ${month}.*\\)$`)) ?? [];
    assert.equal(change, heard(sameDays(CREDITS[org]), now), same);
    assert.equal(Number(day), Math.min(Number(today.slice(8)), Number(addDays(`${today.slice(0, 7)}-01`, -1).slice(8))));
    await close(page);
  });
}

test('an arrow and a colour of its own tell the direction, and nothing is coloured that has none', async () => {
  const seen = {};
  for (const dark of [false, true]) {
    for (const org of ['rise', 'fall', 'even', 'fresh']) {
      const page = await open(org, { dark });
      const pill = page.locator('#cards .pill').first();
      seen[org] = await pill.evaluate((element) => {
        const [red, green] = getComputedStyle(element).color.match(/\d+/g).map(Number);
        const arrow = element.querySelector('use')?.getAttribute('href');
        const box = element.querySelector('svg')?.getBoundingClientRect();
        return { arrow, drawn: (box?.width ?? 0) > 0, hue: red > green + 30 ? 'red' : green > red + 30 ? 'green' : 'grey' };
      });
      // The other colours are in the states that `every_state` looks at.
      if (org === 'rise') await assertAccessible(page, `${org}, ${dark ? 'dark' : 'light'}`);
      await close(page);
    }
    assert.deepEqual([seen.rise.arrow, seen.rise.drawn, seen.rise.hue], ['#i-up', true, 'green']);
    assert.deepEqual([seen.fall.arrow, seen.fall.drawn, seen.fall.hue], ['#i-down', true, 'red']);
    for (const org of ['even', 'fresh']) assert.deepEqual([seen[org].arrow, seen[org].hue], [undefined, 'grey'], org);
  }
});

test('the comparison with the same days says what they had', async () => {
  const page = await open('rise');
  const had = await page.locator('#cards .pills p').nth(1).locator('span[title]').getAttribute('title');
  assert.equal(units(exact(had.replace(/ credits$/, ''))), sum(sameDays(CREDITS.rise)));
  await close(page);
});
