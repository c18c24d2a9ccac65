// The Audit page as plain data, read as a person reads it.

const plain = (text) => text.replace(/\s+/g, ' ').trim();

export const AUDIT = '/orgs/acme/settings/audit';

/** Texts of the three cards, by label. */
export async function cards(page) {
  const cards = {};
  for (const section of await page.locator('#cards section').all()) {
    cards[plain(await section.locator('h2').innerText())] = {
      figure: plain(await section.locator('.figure').innerText()),
      pills: (await section.locator('.pills p').allInnerTexts()).map(plain),
      note: plain(await section.locator('.note').innerText()),
    };
  }
  return cards;
}

/** Rows of a breakdown: `reason`, `model` or `member`. */
export function breakdown(page, kind) {
  return page.locator(`#by-${kind} > table tbody tr`).evaluateAll((rows) =>
    rows.map((row) => {
      const [credits, last] = [...row.querySelectorAll('td')].map((cell) => cell.textContent.trim());
      const name = row.querySelector('a bdi')?.textContent ?? row.querySelector('.name > span').textContent;
      return { name, id: row.querySelector('a')?.title, credits, last };
    }),
  );
}

/** Segments in the bar of a breakdown. */
export function segments(page, kind) {
  return page.locator(`#by-${kind} svg.bar rect`).count();
}

/** Rows of the log. */
export function log(page) {
  return page.locator('#calls tr').evaluateAll((rows) =>
    rows.map((row) => {
      const text = (selector) => row.querySelector(selector)?.textContent.trim();
      const amount = row.querySelector('.amount').cloneNode(true);
      amount.querySelector('.badge')?.remove();
      return {
        at: row.querySelector('time').dateTime,
        utc: row.querySelector('time').title,
        name: text('.who'),
        note: text('.mail') ?? '',
        reason: text('.reason'),
        provider: text('.provider'),
        model: text('.model bdi'),
        tokens: text('.tokens').replace(/\s+/g, ' '),
        byok: Boolean(row.querySelector('.badge')),
        amount: amount.textContent.trim(),
      };
    }),
  );
}

/** Texts of the chips. */
export async function chips(page) {
  return (await page.locator('.chips .chip').allInnerTexts()).map(plain);
}

/** Opens a dropdown and ticks values by their names, then applies. */
export async function choose(page, label, names) {
  const drop = await open(page, label);
  for (const name of names) await drop.getByRole('checkbox', { name }).check();
  await drop.getByRole('button', { name: 'Apply' }).click();
}

/** Opens a dropdown. */
export async function open(page, label) {
  const summary = page.locator('.drop > summary').filter({ hasText: new RegExp(`^${label}`) });
  await summary.click();
  return page.locator('.drop[open]');
}

/** A decimal as the page shows it, as the API writes it: `1,204.50` is `1204.5`. */
export function exact(shown) {
  const text = shown.replaceAll(',', '');
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
