// A real Chromium, and what must hold of every page it shows: nothing is asked of another origin, the console stays
// silent, and axe finds no violation.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

let browser;

/** Starts the browser before the tests of a file, and ends it after them. */
export function useBrowser() {
  before(startBrowser);
  after(endBrowser);
}

/** Starts the browser, for what is no test. */
export async function startBrowser() {
  // Its sandbox needs rights that a container's root does not have; what it loads here is our own.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
}

/** Ends it. */
export async function endBrowser() {
  await browser?.close();
}

/** A browser window of one person: own cookies, a size, a theme, with or without script. */
export async function openWindow(room, { orgs, width = 1280, height = 900, dark = false, script = true, touch = false, ...more } = {}) {
  const context = await browser.newContext({
    baseURL: room.address,
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    javaScriptEnabled: script,
    hasTouch: touch,
    acceptDownloads: true,
    reducedMotion: 'reduce',
    ...more,
  });
  if (orgs) {
    const cookie = { name: 'audit_token', value: room.token(orgs), url: room.address, httpOnly: true, sameSite: 'Lax' };
    await context.addCookies([cookie]);
  }
  const page = await context.newPage();
  // Generous: the machine may be busy with other tests.
  page.setDefaultTimeout(120_000);
  return watch(page, room);
}

/** Notes what a page must not do; `page.faults` is looked at by `close`. */
function watch(page, room) {
  page.faults = [];
  page.expected = [];
  const fault = (text) => {
    if (!page.expected.some((pattern) => pattern.test(text))) page.faults.push(text);
  };
  page.on('request', (request) => {
    if (!request.url().startsWith(`${room.address}/`)) fault(`asked for ${request.url()}`);
  });
  page.on('pageerror', (error) => fault(`threw ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) fault(`said ${message.text()}`);
  });
  return page;
}

/** Ends a window; fails if anything happened in it that must not. */
export async function close(page) {
  await page.context().close();
  assert.deepEqual(page.faults, []);
}

/** Fails if axe finds anything in the page as it is. */
export async function assertAccessible(page, what = page.url()) {
  // By the debugging protocol, which the page's own policy does not bind; once a document, for reading it takes a while.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => {
    const runOnly = { type: 'tag', values };
    // What lies half under an open popover is no target while it is open.
    const rules = { 'target-size': { enabled: !document.querySelector('details[open] > .popover') } };
    return axe.run({ runOnly, rules, resultTypes: ['violations'], preload: false, elementRef: false });
  }, RULES);
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.map(({ html }) => html).join('\n    ')}`);
  assert.deepEqual(told, [], what);
}

/** Fails if the page can be scrolled sideways. */
export async function assertFitsWidth(page, what = page.url()) {
  const [wide, inside] = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return [scrollWidth, clientWidth];
  });
  assert.ok(wide <= inside, `${what}: ${wide} px of content in ${inside} px`);
}

/** No number goes on in another line: a part of one reads as another number. */
export async function assertNumbersWhole(page, what = page.url()) {
  const broken = await page.evaluate(() => {
    const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
      for (const { 0: number, index } of texts.currentNode.data.matchAll(/(?<![^\s(])[\d.,]+(?![^\s)])/g)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, index);
        range.setEnd(texts.currentNode, index + number.length);
        const lines = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
        if (lines.size > 1) found.push(`${number} in ${texts.currentNode.parentElement.className}`);
      }
    }
    return found;
  });
  assert.deepEqual(broken, [], `${what}: numbers broken between lines`);
}
