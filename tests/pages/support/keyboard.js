// A walk with the Tab key from the first to the last control of a page.

import assert from 'node:assert/strict';

/** More stops than any page has. */
const STOPS_MAX = 400;

/** Where the focus is: place in the document, name, whether it is seen and has a ring; null when it left the page. */
function focused() {
  const element = document.activeElement;
  if (element === document.body) return null;
  const { x, y, width, height } = element.getBoundingClientRect();
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  // What lies over its middle: itself, a part of it or what it is a part of; anything else hides it.
  const over = document.elementFromPoint(x + width / 2, y + height / 2);
  return {
    order: [...document.querySelectorAll('a, button, input, summary')].indexOf(element),
    ring: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
    name: (element.innerText || element.labels?.[0]?.innerText || element.textContent).trim().replace(/\s+/g, ' ').slice(0, 60),
    visible: width > 0 && height > 0,
    hidden: over !== null && !element.contains(over) && !over.contains(element),
    height,
  };
}

/**
 * Presses Tab until the focus leaves the page; names of the controls in order. Fails unless the order is that of the
 * document, no control comes twice, and each is seen, uncovered, and shows that it has the focus.
 */
export async function walk(page, key = 'Tab') {
  const seen = [];
  for (let presses = 0; presses < STOPS_MAX; presses += 1) {
    await page.keyboard.press(key);
    const control = await page.evaluate(focused);
    // Behind the last control comes the browser itself, which is not always one stop; then the first one again.
    if (!control || control.order === seen[0]?.order) break;
    // A date has a stop for each of its parts.
    if (control.order !== seen.at(-1)?.order) seen.push(control);
  }
  const orders = seen.map(({ order }) => order);
  const sorted = [...orders].sort((a, b) => (key === 'Tab' ? a - b : b - a));
  assert.deepEqual(orders, sorted, 'the order of the document');
  assert.equal(new Set(orders).size, orders.length, 'no control twice');
  for (const { name, visible, ring, hidden } of seen) {
    assert.ok(visible && ring, `${name} shows its focus`);
    assert.ok(!hidden, `${name} is covered while it has the focus`);
  }
  return seen.map(({ name }) => name);
}
