// `tests/pages/run states [PART OF A NAME…]`: a picture of every state at four widths, light and dark, into `.local/pages`,
// with an index to look at them one by one.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endBrowser, openWindow, startBrowser } from './support/browser.js';
import { repository } from './support/room.js';
import { closeStage, fallBehind, openStage } from './support/stage.js';
import { STATES, viewer, visit } from './support/states.js';

const WIDTHS = [360, 768, 1280, 1600];
const folder = join(repository, '.local/pages');
const parts = process.argv.slice(2);
const states = STATES.filter(({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)));
if (states.length === 0) {
  console.error(`error: no state has a name with ${parts.join(' or ')}; there are:\n  ${STATES.map(({ name }) => name).join('\n  ')}`);
  process.exit(1);
}

mkdirSync(folder, { recursive: true });
await startBrowser();
let stage;
try {
  stage = await openStage('pictures');
  for (const state of states) {
    if (state.behind) await fallBehind(stage);
    try {
      for (const theme of ['light', 'dark']) await picture(state, theme);
      console.log(state.name);
    } catch (error) {
      // The others are worth looking at all the same.
      console.error(`error: ${state.name}: ${error.message}`);
      process.exitCode = 1;
    }
  }
  writeFileSync(join(folder, 'index.html'), index());
  console.log(`.local/pages/index.html`);
} finally {
  await closeStage(stage);
  await endBrowser();
}

async function picture(state, theme) {
  const page = await openWindow(stage.room, { dark: theme === 'dark', ...viewer(stage, state) });
  await visit(stage, state, page);
  for (const width of WIDTHS.filter((width) => !state.narrow || width === 360)) {
    await page.setViewportSize({ width, height: 900 });
    await state.show?.(page, stage);
    await page.screenshot({ path: join(folder, file(state, width, theme)), fullPage: true });
  }
  await state.leave?.(page, stage);
  await page.context().close();
}

function file({ name }, width, theme) {
  return `${name.replace(/[^\w]+/g, '-')}-${width}-${theme}.png`;
}

function index() {
  const picture = (state, width, theme) => `<a href="${file(state, width, theme)}"><img src="${file(state, width, theme)}" width="${width / 4}" alt="${width} ${theme}"></a>`;
  const row = (state) => {
    const widths = state.narrow ? [360] : WIDTHS;
    return `<h2>${state.name}</h2><p>${['light', 'dark'].map((theme) => widths.map((width) => picture(state, width, theme)).join(' ')).join('<br>')}</p>`;
  };
  return `<!doctype html><meta charset="utf-8"><title>States of the pages</title>${states.map(row).join('\n')}\n`;
}
