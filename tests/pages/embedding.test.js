// The pages inside another application: its token in a header or in a cookie, and its frame around them.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, before, test } from 'node:test';
import { brotliDecompressSync } from 'node:zlib';
import { close, openWindow, useBrowser } from './support/browser.js';
import { soon } from './support/eventually.js';
import { openRoom } from './support/room.js';
import { furnish } from './support/world.js';

const AUDIT = '/orgs/acme/settings/audit';
let room, friend, stranger, gateway;
useBrowser();
before(async () => {
  [friend, stranger] = [await openApplication(), await openApplication()];
  room = await openRoom('embedding', { PAGES_FRAME_ANCESTORS: friend.origin });
  await furnish(room, { thisMonth: 3, lastMonth: 60 });
  gateway = await openGateway();
});
after(async () => {
  await room?.close();
  for (const application of [friend, stranger, gateway]) await application?.close();
});

/** An application that hands every request on to us, with the token of whoever asks. */
async function openGateway() {
  const server = createServer((asked, answer) => {
    const headers = { ...asked.headers, authorization: `Bearer ${room.token(['acme'])}` };
    const onward = request(`${room.address}${asked.url}`, { method: asked.method, headers }, (answered) => {
      answer.writeHead(answered.statusCode, answered.headers);
      answered.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    asked.pipe(onward);
  });
  return listening(server);
}

/** Another application on this host: `/` shows a frame around our page, `/sign-in` sets the cookie that we read. */
async function openApplication() {
  const server = createServer((asked, answer) => {
    const cookie = `audit_token=${room.token(['acme'])}; Path=/; HttpOnly; SameSite=Lax`;
    answer.writeHead(200, { 'content-type': 'text/html', ...(asked.url === '/sign-in' && { 'set-cookie': cookie }) });
    answer.end(`<!doctype html><html lang="en"><title>An application</title><link rel="icon" href="data:,">
      <iframe title="AI usage" width="1000" height="600" src="${asked.url === '/framed' ? room.address + AUDIT : 'about:blank'}"></iframe>`);
  });
  return listening(server);
}

async function listening(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))) };
}

async function worksInPlace(page) {
  await page.getByRole('heading', { name: 'Audit log', exact: true }).waitFor();
  await page.getByRole('link', { name: 'Last month' }).click();
  await page.getByText(/· 60 calls$/).waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
  assert.equal(await download.failure(), null);
}

test('an application adds the token to every request: pages, script and file work, and no cookie is set', async () => {
  const page = await openWindow({ address: gateway.origin });
  await page.goto(AUDIT);
  await worksInPlace(page);
  assert.deepEqual(await page.context().cookies(), []);
  await close(page);
});

test('an application on the same host sets the cookie, and our pages know the person', async () => {
  const page = await openWindow(room);
  page.expected.push(new RegExp(`^asked for ${friend.origin}/`));
  await page.goto(`${friend.origin}/sign-in`);
  await page.goto(AUDIT);
  await worksInPlace(page);
  await close(page);
});

test('a frame of an application that the settings name shows the page, and it works there', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  page.expected.push(new RegExp(`^asked for ${friend.origin}/`), /^asked for data:/);
  await page.goto(`${friend.origin}/framed`);
  const frame = page.frameLocator('iframe');
  await frame.getByRole('heading', { name: 'Audit log', exact: true }).waitFor();
  await frame.getByRole('link', { name: 'Last month' }).click();
  await frame.getByText(/· 60 calls$/).waitFor();
  await close(page);
});

test('a frame of any other application stays empty', async () => {
  const page = await openWindow(room, { orgs: ['acme'] });
  const refused = [];
  page.on('console', (message) => refused.push(message.text()));
  page.expected.push(new RegExp(`^asked for ${stranger.origin}/`), /^asked for data:/, /frame-ancestors/);
  await page.goto(`${stranger.origin}/framed`);
  const frame = page.frames().find((frame) => frame.parentFrame());
  assert.doesNotMatch(await frame.content(), /Audit|acme/i);
  await soon('the reason', () => assert.ok(refused.some((text) => /frame-ancestors/.test(text)), `${refused}`));
  await close(page);
});

/** Path of an asset that a page names. */
async function assetsOf(path) {
  const html = (await sent(path, 'identity')).body.toString();
  return [...html.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, asset]) => asset);
}

function sent(path, encoding) {
  const headers = { authorization: `Bearer ${room.token(['acme'])}`, 'accept-encoding': encoding };
  return new Promise((resolve, reject) => {
    const asked = request(`${room.address}${path}`, { headers }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(chunks) }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

test('pages, style sheets and script are sent compressed, by Brotli or Zstandard', async () => {
  const assets = await assetsOf(AUDIT);
  assert.ok(assets.some((path) => path.endsWith('.css')) && assets.some((path) => path.endsWith('.js')), `${assets}`);
  for (const path of [AUDIT, '/orgs/acme/settings/usage', ...assets.filter((path) => !path.endsWith('.svg'))]) {
    const plain = await sent(path, 'identity');
    assert.equal(plain.headers['content-encoding'], undefined, path);
    const brotli = await sent(path, 'br');
    assert.equal(brotli.headers['content-encoding'], 'br', path);
    assert.ok(brotli.body.length < plain.body.length / 2, `${path}: ${brotli.body.length} of ${plain.body.length} bytes`);
    if (path.startsWith('/assets/')) assert.deepEqual(brotliDecompressSync(brotli.body), plain.body);
    const zstandard = await sent(path, 'zstd');
    assert.equal(zstandard.headers['content-encoding'], 'zstd', path);
    // Every frame begins with this number (RFC 8878, 3.1.1).
    assert.equal(zstandard.body.readUInt32LE(0), 0xfd2fb528, path);
    assert.match(zstandard.headers.vary ?? '', /accept-encoding/i, path);
  }
});
