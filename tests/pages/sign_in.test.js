// Signing in by a link that is good for one click, signing out, and what a page says to those who may not see it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertAccessible, close, openWindow, useBrowser } from './support/browser.js';
import { openRoom } from './support/room.js';

let room;
useBrowser();
before(async () => {
  room = await openRoom('sign_in', { PAGES_FRAME_ANCESTORS: 'https://app.example' });
  room.tell([
    { org_id: 'acme', organisation: { short_name: 'acme', display_name: 'Acme GmbH', time_zone: 'Europe/Berlin' } },
    { org_id: 'bolt', organisation: { short_name: 'bolt', display_name: 'Bolt Ltd', time_zone: 'UTC' } },
  ]);
});
after(() => room?.close());

test('a link signs in once, and no token is ever in an address', async () => {
  const page = await openWindow(room);
  const seen = [];
  page.on('request', (request) => seen.push(request.url()));
  const link = room.link(['acme', 'bolt']);

  // Whoever only looks at the link, as mail programs do, leaves it good.
  assert.equal((await fetch(link)).status, 200);
  await page.goto(link);
  await assertAccessible(page);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'AI usage audit log' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/orgs/acme/settings/audit');

  const [cookie] = await page.context().cookies();
  assert.equal(cookie.name, 'audit_token');
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.secure, cookie.path], [true, 'Lax', false, '/']);
  assert.ok(seen.every((url) => !url.includes(cookie.value)));
  assert.equal(await page.evaluate(() => document.cookie), '');
  assert.ok(!link.includes(cookie.value));

  page.expected.push(/403/);
  await page.goto(link);
  await page.getByText('was used already').waitFor();
  await assertAccessible(page);
  await page.getByRole('link', { name: 'Open the audit log' }).click();
  await page.getByRole('heading', { name: 'AI usage audit log' }).waitFor();
  await close(page);
});

test('a code is no token, and a token is no code', async () => {
  const code = new URL(room.link(['acme'])).searchParams.get('code');
  const asToken = await fetch(`${room.address}/v1/orgs`, { headers: { authorization: `Bearer ${code}` } });
  assert.equal(asToken.status, 401);
  const asCode = await post('/sign-in', { code: room.token(['acme']) });
  assert.equal(asCode.status, 403);
  assert.match(await asCode.text(), /made for another service/);
  assert.equal(asCode.headers.get('set-cookie'), null);
});

test('a code opens the organisations it was made for and no other', async () => {
  const code = new URL(room.link(['acme'])).searchParams.get('code');
  const answer = await post('/sign-in', { code });
  assert.equal(answer.status, 303);
  const cookie = answer.headers.get('set-cookie').split(';')[0];
  const status = async (path) => (await fetch(`${room.address}${path}`, { headers: { cookie } })).status;
  assert.equal(await status('/orgs/acme/settings/audit'), 200);
  assert.equal(await status('/orgs/bolt/settings/audit'), 404);
  assert.equal((await post('/sign-in', { code })).status, 403);
});

test('forms of another site are refused', async () => {
  const code = new URL(room.link(['acme'])).searchParams.get('code');
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, { origin: 'null' }]) {
    for (const path of ['/sign-in', '/sign-out', '/settings/theme/dark']) {
      const answer = await post(path, { code }, headers);
      assert.equal(answer.status, 403, path);
      assert.equal(answer.headers.get('set-cookie'), null);
      assert.match(await answer.text(), /sent from another site/);
    }
  }
  assert.equal((await post('/sign-in', { code })).status, 303);
});

test('over TLS the cookie never leaves it', async () => {
  const code = new URL(room.link(['acme'])).searchParams.get('code');
  const answer = await post('/sign-in', { code }, { 'x-forwarded-proto': 'https' });
  assert.match(answer.headers.get('set-cookie'), /; HttpOnly; SameSite=Lax; Secure$/);
});

test('signing out ends the session of this browser', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  await page.goto('/settings/audit');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await assertAccessible(page);
  assert.deepEqual(await page.context().cookies(), []);
  page.expected.push(/401/);
  await page.goto('/orgs/acme/settings/audit');
  await page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
  await assertAccessible(page);
  await close(page);
});

test('the switcher shows the organisations of the token', async () => {
  const page = await openWindow(room, { orgs: ['bolt', 'acme'] });
  await page.goto('/settings/audit');
  assert.equal(new URL(page.url()).pathname, '/orgs/bolt/settings/audit');
  await page.getByText('Organisation: Bolt Ltd').click();
  await assertAccessible(page);
  await page.getByRole('link', { name: 'Acme GmbH' }).click();
  await page.waitForURL('/orgs/acme/settings/audit');
  await page.getByText('Times in Europe/Berlin').waitFor();
  await close(page);
});

test('who lacks the permission sees no name and no number', async () => {
  const page = await openWindow(room);
  const token = room.token(['acme'], ['billing:none']);
  await page.context().setExtraHTTPHeaders({ authorization: `Bearer ${token}` });
  page.expected.push(/403/);
  await page.goto('/orgs/acme/settings/audit');
  await page.getByText('You need the permission billing:view to see AI usage. Ask an Org Admin.').waitFor();
  assert.doesNotMatch(await page.locator('body').innerText(), /Acme/);
  await assertAccessible(page);
  await close(page);
});

test('an embedding application brings the same token by header or by cookie', async () => {
  const token = room.token(['acme']);
  for (const headers of [{ authorization: `Bearer ${token}` }, { cookie: `theme=dark; audit_token=${token}` }]) {
    const answer = await fetch(`${room.address}/orgs/acme/settings/audit`, { headers });
    assert.equal(answer.status, 200);
  }
});

test('pages carry a strict policy, and may be framed only where the settings allow it', async () => {
  const { headers } = await fetch(`${room.address}/orgs/acme/settings/audit`, {
    headers: { authorization: `Bearer ${room.token(['acme'])}`, 'accept-encoding': 'br' },
  });
  assert.equal(
    headers.get('content-security-policy'),
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
      "base-uri 'none'; frame-ancestors https://app.example",
  );
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
  assert.equal(headers.get('referrer-policy'), 'same-origin');
  assert.equal(headers.get('cache-control'), 'private, no-store');
  assert.equal(headers.get('content-encoding'), 'br');
});

function post(path, fields, headers = {}) {
  const body = new URLSearchParams(fields).toString();
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  return fetch(`${room.address}${path}`, { method: 'POST', redirect: 'manual', body, headers: { ...type, ...headers } });
}
