// Every state that a page can be in, and how a person gets there. What looks at all states (axe, widths, pictures) takes
// them from here, so that a state that is added is looked at everywhere.
//
// A state has a `name` and a `path`; `show` brings the page there once it is loaded, and is called again at another width,
// so it must not matter whether it was called before. `fails` names what the engine refuses while the page is loaded,
// `who` is somebody else than a member of all organisations, `status` what is answered, `narrow` that only narrow screens
// know it, `leave` what has to be undone, and `behind` that ingest stands.

import { soon } from './eventually.js';

const AUDIT = '/orgs/acme/settings/audit';
const USAGE = '/orgs/acme/settings/usage';
const CALLS = `${AUDIT}/calls`;
/** Marks in the statements of the parts. */
export const PARTS = { breakdowns: 'member_key', log: 'model_name', options: 'byok_call', cards: 'groupUniqArray' };

const MANY = ['ada', 'bo', 'script', 'emoji', 'rtl', 'long'].map((id) => `member=${id}`).join('&');

/** A filter that nobody used before: no answer to it can be kept. */
const unheard = (stage) => `range=last_month&member=ada&member=unheard-${(stage.visits += 1)}`;

// What the cards show is kept, so these come first.
const FAILURES = [
  { name: 'cards failed', path: (stage) => `${AUDIT}?${unheard(stage)}`, fails: [PARTS.cards] },
  { name: 'all parts failed', path: (stage) => `${AUDIT}?${unheard(stage)}`, fails: Object.values(PARTS), status: 503 },
  { name: 'breakdowns failed', path: (stage) => `${AUDIT}?${unheard(stage)}`, fails: [PARTS.breakdowns] },
  { name: 'log failed', path: (stage) => `${AUDIT}?${unheard(stage)}`, fails: [PARTS.log] },
  { name: 'options failed', path: (stage) => `${AUDIT}?${unheard(stage)}`, fails: [PARTS.options], show: dropdown('members') },
  { name: 'engine away', path: AUDIT, fails: ['SELECT'], status: 503 },
  { name: 'usage breakdowns failed', path: (stage) => `${USAGE}?${unheard(stage)}`, fails: [PARTS.breakdowns] },
  { name: 'load more failed', path: `${AUDIT}?range=last_month`, show: loadMoreFails },
  { name: 'waiting', path: AUDIT, show: waits, leave: goOn },
  { name: 'load more waiting', path: `${AUDIT}?range=last_month`, show: loadMoreWaits, leave: goOn },
];

const AUDITS = [
  { name: 'this month', path: AUDIT },
  { name: 'all members of last month', path: `${AUDIT}?range=last_month&members=all` },
  { name: 'end of the log', path: `${AUDIT}?range=last_month&member=ada&member=bo`, show: toTheEnd },
  { name: 'second page of the log', path: async (stage) => `${AUDIT}?range=last_month&${await secondPage(stage)}` },
  { name: 'BYOK only', path: `${AUDIT}?range=last_month&byok=only` },
  { name: 'many filters', path: `${AUDIT}?range=last_month&${MANY}&reason=chat&model=openai%2F%3D1%2B1` },
  { name: 'no result', path: `${AUDIT}?member=nobody` },
  { name: 'why no export', path: `${AUDIT}?member=nobody`, show: (page) => page.locator('#export').focus() },
  { name: 'custom, unfilled', path: `${AUDIT}?range=custom` },
  { name: 'custom, reversed', path: `${AUDIT}?range=custom&since=2026-11-02&until=2026-11-01` },
  { name: 'custom, malformed', path: `${AUDIT}?range=custom&since=2026-02-30&until=soon` },
  { name: 'custom, filled', path: `${AUDIT}?range=custom&since=2026-10-01&until=2026-11-30` },
  { name: 'long amounts', path: '/orgs/grand/settings/audit?range=last_month' },
  { name: 'a crowd', path: '/orgs/crowd/settings/audit?range=last_month', show: further },
  { name: 'all of a crowd', path: '/orgs/crowd/settings/audit?range=last_month&members=all' },
  { name: 'an organisation without a call', path: '/orgs/silent/settings/audit' },
  { name: 'first Tab stop', path: AUDIT, show: (page) => page.locator('.skip').focus() },
];

const OPENED = [
  { name: 'filters unfolded', path: `${AUDIT}?reason=chat`, show: unfold, narrow: true },
  { name: 'members open', path: `${AUDIT}?range=last_month&member=ada&member=long`, show: dropdown('members') },
  { name: 'members searched in vain', path: `${AUDIT}?range=last_month`, show: searchInVain },
  { name: 'members of a crowd open', path: '/orgs/crowd/settings/audit?range=last_month', show: dropdown('members') },
  { name: 'reasons open', path: `${AUDIT}?range=last_month&reason=chat`, show: dropdown('reasons') },
  { name: 'models open', path: `${AUDIT}?range=last_month`, show: dropdown('models') },
  { name: 'BYOK open', path: `${AUDIT}?range=last_month&byok=none`, show: dropdown('byok') },
  { name: 'theme open', path: AUDIT, show: menu('theme') },
  { name: 'switcher open', path: AUDIT, show: menu('switcher') },
];

const USAGES = [
  { name: 'usage this month', path: USAGE },
  { name: 'usage as a table', path: `${USAGE}?range=last_month`, show: asTable },
  { name: 'usage by month', path: `${USAGE}?range=custom&since=2026-01-01&until=2026-11-30&by=month` },
  { name: 'usage filtered', path: `${USAGE}?range=last_month&${MANY}&reason=chat` },
  { name: 'usage, nothing', path: `${USAGE}?member=nobody` },
  { name: 'usage, unfilled', path: `${USAGE}?range=custom` },
  { name: 'usage, malformed', path: `${USAGE}?range=custom&since=2026-02-30&until=soon` },
  { name: 'usage with long amounts', path: '/orgs/grand/settings/usage?range=last_month' },
  { name: 'usage of a crowd', path: '/orgs/crowd/settings/usage?range=last_month' },
  { name: 'usage without a call', path: '/orgs/silent/settings/usage' },
];

const CALL_PAGES = [
  { name: 'a call told of again', path: ({ told }) => `${CALLS}/${told.again}` },
  { name: 'a BYOK call', path: ({ told }) => `${CALLS}/${told.byok}` },
  { name: 'no such call', path: `${CALLS}?event_id=01900000-0000-7000-8000-000000000000`, status: 404 },
  { name: 'no event id', path: `${CALLS}?event_id=not+an+id` },
];

const OTHERS = [
  { name: 'no such organisation', path: '/orgs/nobody/settings/audit', status: 404 },
  { name: 'no such address', path: '/orgs/acme/audit', status: 404 },
  { name: 'malformed address', path: `${AUDIT}?byok=perhaps`, status: 400 },
  { name: 'signed out', path: AUDIT, who: 'stranger', status: 401 },
  { name: 'no permission', path: AUDIT, who: 'outsider', status: 403 },
  { name: 'sign in', path: ({ room }) => room.link(['acme', 'crowd']).replace(room.address, ''), who: 'stranger' },
  { name: 'damaged link', path: '/sign-in?code=nonsense', who: 'stranger', status: 403 },
];

const BEHIND = [
  { name: 'behind', path: AUDIT, behind: true, show: banner },
  { name: 'usage behind', path: USAGE, behind: true, show: banner },
];

/** All states. Ingest stops for the last ones and never comes back. */
export const STATES = [...FAILURES, ...AUDITS, ...OPENED, ...USAGES, ...CALL_PAGES, ...OTHERS, ...BEHIND];

/** Who looks at a state: options for `openWindow`. */
export function viewer({ room }, { who }) {
  if (who === 'stranger') return {};
  if (who === 'outsider') return { extraHTTPHeaders: { authorization: `Bearer ${room.token(['acme'], ['billing:none'])}` } };
  return { orgs: ['acme', 'silent', 'grand', 'crowd'] };
}

/** Loads a state. */
export async function visit(stage, state, page) {
  const { status = 200, fails = [] } = state;
  if (status !== 200) page.expected.push(new RegExp(`${status}`));
  const path = typeof state.path === 'string' ? state.path : await state.path(stage);
  stage.proxy.fails = (statement) => fails.some((mark) => statement.includes(mark));
  try {
    const answer = await page.goto(path);
    if (answer.status() !== status) throw new Error(`${state.name}: ${answer.status()} in the place of ${status}`);
  } finally {
    stage.proxy.fails = () => false;
  }
}

async function unfold(page) {
  const summary = page.locator('#fold > summary');
  if ((await summary.isVisible()) && !(await page.locator('#fold[open]').count())) await summary.click();
}

/** On narrow screens the dropdowns are in a fold. */
function dropdown(id) {
  return async (page) => {
    await unfold(page);
    await menu(`drop-${id}`)(page);
  };
}

function menu(id) {
  return async (page) => {
    if (!(await page.locator(`#${id}[open]`).count())) await page.locator(`#${id} > summary`).click();
    await page.locator(`#${id} > .popover`).waitFor();
  };
}

async function searchInVain(page) {
  await dropdown('members')(page);
  await page.locator('#search-members').fill('nobody at all');
  await page.getByText('No member matches “nobody at all”').waitFor();
}

async function further(page) {
  for (const fold of await page.locator('details.further:not([open]) > summary').all()) await fold.click();
}

async function asTable(page) {
  if (!(await page.locator('#over-time-table[open]').count())) await page.getByText('Show as table').click();
}

async function banner(page) {
  await soon('the banner', async () => {
    if (await page.locator('.banner').count()) return;
    await page.reload();
    throw new Error('no banner');
  });
}

async function toTheEnd(page) {
  while (await page.locator('#more').count()) {
    const rows = await page.locator('#calls tr').count();
    await page.locator('#more').click();
    await soon('more rows', async () => {
      if ((await page.locator('#calls tr').count()) === rows) throw new Error(`${rows} rows`);
    });
  }
}

async function secondPage({ room }) {
  const { next, as_of } = await room.ask('acme', 'calls?range=last_month');
  return `after=${encodeURIComponent(next)}&as_of=${encodeURIComponent(as_of)}`;
}

async function loadMoreFails(page, { proxy }) {
  const told = page.locator('[data-failed]');
  if (await told.isVisible()) return;
  page.expected.push(/503/);
  proxy.fails = (statement) => statement.includes(PARTS.log);
  try {
    await page.locator('#more').click();
    await told.waitFor();
  } finally {
    proxy.fails = () => false;
  }
}

async function loadMoreWaits(page, { proxy }) {
  if (await page.getByText('Loading…').count()) return;
  proxy.holds = (statement) => statement.includes(PARTS.log);
  await page.locator('#more').click();
  await page.getByText('Loading…').waitFor();
}

/** What was asked for keeps waiting: the old content stays, and a bar says so. */
async function waits(page, { proxy }) {
  const busy = page.locator('main[aria-busy=true]');
  if (await busy.count()) return;
  proxy.holds = (statement) => statement.includes(PARTS.log);
  await page.getByRole('link', { name: 'Last 30 days' }).click();
  await soon('the bar', async () => {
    const opacity = await busy.evaluate((main) => getComputedStyle(main, '::before').opacity);
    if (opacity !== '1') throw new Error(`opacity ${opacity}`);
  });
}

async function goOn(page, { proxy }) {
  proxy.release();
  await soon('what was waited for', async () => {
    if (await page.locator('[aria-busy=true]').count()) throw new Error('busy');
  });
}
