// Every state of the pages fits every width in both themes, breaks no number, and axe finds nothing in it.

import { after, before, test } from 'node:test';
import { assertAccessible, assertFitsWidth, assertNumbersWhole, close, openWindow, useBrowser } from './support/browser.js';
import { closeStage, fallBehind, openStage } from './support/stage.js';
import { STATES, viewer, visit } from './support/states.js';

const WIDTHS = [320, 360, 768, 1280, 1600];
/** axe takes long: it looks at one width of each arrangement, and at what depends on both (contrast) in both themes. */
const LOOKED_AT = { light: [360], dark: [1280] };
/** Only below this width filters are folded. */
const NARROW = 640;

let stage;
useBrowser();
before(async () => {
  stage = await openStage('every_state');
});
after(() => closeStage(stage));

test('every state is there', async (context) => {
  for (const state of STATES) {
    if (state.behind) await fallBehind(stage);
    await context.test(`${state.name}: fits every width in both themes, breaks no number, and axe finds nothing`, () => bothThemes(state));
  }
});

async function bothThemes(state) {
  for (const dark of [false, true]) {
    const page = await openWindow(stage.room, { dark, ...viewer(stage, state) });
    await visit(stage, state, page);
    for (const width of WIDTHS.filter((width) => !state.narrow || width < NARROW)) {
      await page.setViewportSize({ width, height: 900 });
      await state.show?.(page, stage);
      const what = `${state.name} at ${width} px, ${dark ? 'dark' : 'light'}`;
      await assertFitsWidth(page, what);
      await assertNumbersWhole(page, what);
      if (LOOKED_AT[dark ? 'dark' : 'light'].includes(width)) await assertAccessible(page, what);
    }
    await state.leave?.(page, stage);
    await close(page);
  }
}
