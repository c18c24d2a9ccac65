// The pages on paper, in colours that the system forces, with more contrast, with large text, and in columns by width.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AUDIT, log } from './support/audit.js';
import { assertFitsWidth, close, openWindow, useBrowser } from './support/browser.js';
import { openRoom } from './support/room.js';
import { openTrickle } from './support/trickle.js';
import { furnish } from './support/world.js';

const USAGE = '/orgs/acme/settings/usage';
let room;
useBrowser();
before(async () => {
  room = await openRoom('surroundings');
  await furnish(room);
});
after(() => room?.close());

/** Texts and roles that are for the screen only. */
const CONTROLS = ['.tabs', '#theme', '.top-end form', '.export', '.presets', '.drops', '#fold', '.custom', '.find', '#more', '.toggle', '.refresh', '#clear-all', '.skip'];

for (const dark of [false, true]) {
  test(`on paper the Audit page is what it shows and no control${dark ? ', light also where the screen is dark' : ''}`, async () => {
    const page = await openWindow(room, { orgs: ['acme', 'silent'], dark });
    await page.goto(`${AUDIT}?range=last_month&reason=chat&byok=none`);
    const rows = (await log(page)).length;
    await page.emulateMedia({ media: 'print' });
    for (const selector of CONTROLS) {
      for (const control of await page.locator(selector).all()) assert.equal(await control.isVisible(), false, selector);
    }
    for (const name of ['Credits this month', 'By reason', 'By model', 'By member', 'Audit log']) {
      assert.equal(await page.getByRole('heading', { name, exact: true }).isVisible(), true, name);
    }
    // Which calls these are is said: the zone, how complete they are, the days, and each filter.
    assert.match(await page.locator('.complete').innerText(), /^Times in Europe\/Berlin · Data complete through /);
    assert.equal(await page.locator('#shown').isVisible(), true);
    assert.equal(await page.locator('.chip:visible').count(), 3);
    assert.equal(await page.locator('#calls tr').count(), rows);
    assert.equal(await page.locator('.calls thead').evaluate((head) => getComputedStyle(head).display), 'table-header-group');
    assert.equal(await page.locator('#calls tr').first().evaluate((row) => getComputedStyle(row).breakInside), 'avoid');
    const [ground, ink] = await page.evaluate(() => {
      const brightness = (colour) => Math.max(...colour.match(/\d+/g).slice(0, 3).map(Number));
      return [document.documentElement, document.querySelector('h1')].map((element, place) => {
        const style = getComputedStyle(element);
        return place ? brightness(style.color) : style.backgroundColor;
      });
    });
    assert.match(ground, /rgba\(0, 0, 0, 0\)|rgb\(255, 255, 255\)/);
    assert.ok(ink < 100, 'dark ink');
    assert.equal(await page.locator('.bar').first().evaluate((bar) => getComputedStyle(bar).printColorAdjust), 'exact');
    await close(page);
  });
}

test('the files that a browser prints have pages, and no page is wasted', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  for (const [path, most] of [[`${AUDIT}?range=last_month`, 9], [`${USAGE}?range=last_month`, 8]]) {
    await page.goto(path);
    const file = (await page.pdf({ format: 'A4' })).toString('latin1');
    const pages = file.match(/\/Type\s*\/Page\b/g).length;
    assert.ok(pages >= 2 && pages <= most, `${path}: ${pages} pages`);
  }
  await close(page);
});

test('the Usage page prints its tables, and its bars in their colours', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${USAGE}?range=last_month`);
  await page.emulateMedia({ media: 'print' });
  assert.equal(await page.locator('#over-time-table table').isVisible(), true);
  for (const name of ['By month', 'See these calls in Audit']) assert.equal(await page.getByRole('link', { name }).isVisible(), false);
  assert.equal(await page.locator('#credits .bars rect').first().evaluate((bar) => getComputedStyle(bar).printColorAdjust), 'exact');
  await close(page);
});

test('where the system forces its colours, segments keep theirs and what is chosen is still told', async () => {
  const page = await openWindow(room, { orgs: ['acme'], forcedColors: 'active' });
  await page.goto(`${AUDIT}?range=last_month&reason=chat&reason=generate_field`);
  const fills = await page.locator('#by-model svg.bar rect').evaluateAll((bars) => bars.map((bar) => getComputedStyle(bar).fill));
  assert.ok(fills.length >= 5);
  assert.equal(new Set(fills).size, fills.length, `${fills}`);
  // A border that only the chosen one has; its weight says the same.
  const borders = await page.locator('.presets a').evaluateAll((links) =>
    links.map((link) => [link.ariaCurrent, getComputedStyle(link).outlineStyle, getComputedStyle(link).fontWeight]),
  );
  for (const [current, outline, weight] of borders) {
    assert.deepEqual([outline !== 'none', weight === '600'], [current === 'true', current === 'true']);
  }
  await page.goto(USAGE);
  const bars = await page.locator('#credits .bars rect').evaluateAll((bars) => bars.map((bar) => getComputedStyle(bar).fill));
  assert.ok(bars.length > 0 && bars.every((fill) => fill !== 'none'));
  await close(page);
});

test('who asks for more contrast gets stronger lines and notes', async () => {
  const seen = [];
  for (const contrast of ['no-preference', 'more']) {
    const page = await openWindow(room, { orgs: ['acme'], contrast });
    await page.goto(AUDIT);
    seen.push(
      await page.evaluate(() => {
        const brightness = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((total, part) => total + Number(part), 0);
        return [
          brightness(getComputedStyle(document.querySelector('.card')).borderTopColor),
          brightness(getComputedStyle(document.querySelector('.card .note')).color),
        ];
      }),
    );
    await close(page);
  }
  const [[line, note], [strongLine, strongNote]] = seen;
  assert.ok(strongLine < line && strongNote < note, JSON.stringify(seen));
});

test('with text twice as large nothing is cut off or pushed out', async () => {
  for (const path of [`${AUDIT}?range=last_month&reason=chat`, `${USAGE}?range=last_month`, `${AUDIT}?range=custom`]) {
    const page = await openWindow(room, { orgs: ['acme', 'silent'] });
    await page.goto(path);
    await page.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
    for (const width of [1280, 768, 360]) {
      await page.setViewportSize({ width, height: 900 });
      await assertFitsWidth(page, `${path} at ${width} px`);
      const cut = await page.evaluate(() =>
        [...document.querySelectorAll('h1, h2, h3, .figure, .sum, .button, .presets a, .drop > summary, .num')]
          .filter((element) => element.checkVisibility() && !element.classList.contains('visually-hidden'))
          .filter((element) => element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline')
          .map((element) => element.textContent.trim().slice(0, 40)),
      );
      assert.deepEqual(cut, [], `${path} at ${width} px`);
    }
    await close(page);
  }
});

test('nothing moves while a page loads, however slowly it comes', async (t) => {
  const line = await openTrickle(room.address);
  t.after(() => line.close());
  for (const width of [360, 800, 1280]) {
    const page = await openWindow({ address: line.address, token: (orgs) => room.token(orgs) }, { orgs: ['acme', 'silent'], width });
    await page.addInitScript(() => {
      window.moved = [];
      new PerformanceObserver((list) => {
        for (const { value, sources } of list.getEntries()) {
          window.moved.push(`${value}: ${sources.map(({ node }) => node?.textContent.trim().slice(0, 40)).join(', ')}`);
        }
      }).observe({ type: 'layout-shift', buffered: true });
    });
    // The first visit of a window waits for the styles; the others could show what little has come.
    for (const path of [USAGE, USAGE, `${AUDIT}?range=last_month`, `${AUDIT}?range=custom&reason=chat`]) {
      await page.goto(path, { waitUntil: 'networkidle' });
      assert.deepEqual(await page.evaluate(() => window.moved), [], `${path} at ${width} px`);
    }
    await close(page);
  }
});

/** In how many columns things stand: how many of them share the first one's top, and how many lines there are. */
const lines = (page, selector) =>
  page.locator(selector).evaluateAll((boxes) => {
    const tops = boxes.map((box) => Math.round(box.getBoundingClientRect().top));
    return [...new Set(tops)].map((top) => tops.filter((other) => other === top).length);
  });

test('cards, breakdowns, totals and log stand in as many columns as there is room for', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto(`${AUDIT}?range=last_month`);
  for (const [width, cards, breakdowns, isTable] of [
    [1600, [3], [3], true],
    [1280, [3], [3], true],
    [1024, [3], [2, 1], true],
    [768, [3], [2, 1], false],
    [360, [1, 1, 1], [1, 1, 1], false],
  ]) {
    await page.setViewportSize({ width, height: 900 });
    assert.deepEqual(await lines(page, '.card'), cards, `cards at ${width} px`);
    assert.deepEqual(await lines(page, '.breakdown'), breakdowns, `breakdowns at ${width} px`);
    const row = page.locator('#calls tr').first();
    assert.equal((await row.evaluate((row) => getComputedStyle(row).display)) === 'table-row', isTable, `log at ${width} px`);
    // Equally high where they stand side by side, so that their notes are on one line.
    const heights = await page.locator('.card').evaluateAll((cards) => cards.map((card) => card.getBoundingClientRect().height));
    if (cards.length === 1) assert.equal(new Set(heights).size, 1, `${heights}`);
  }
  // No longer lines on a wide screen.
  await page.setViewportSize({ width: 2400, height: 900 });
  assert.equal((await page.locator('.calls').boundingBox()).width, 1360);
  await close(page);
});
