// `make screenshots`: the pictures of the README, made from the pages of the running demo, light and dark.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { repository } from './support/room.js';

const ORGANISATION = 'org-acme';
const PICTURES = { audit: 'settings/audit?range=last_month', usage: 'settings/usage?range=last_30_days' };
const SIZE = { width: 1280, height: 1440 };

const services = (...args) => execFileSync(join(repository, 'deploy/local/services'), args, { encoding: 'utf8' }).trim();
const port = readFileSync(join(process.env.AUDIT_SERVICES_DIR ?? join(repository, '.local/demo'), 'ports'), 'utf8').match(/QUERY_API_PORT=(\d+)/)[1];
const address = `http://127.0.0.1:${port}`;
const token = services('token', ORGANISATION);
const folder = join(repository, 'docs/screenshots');
mkdirSync(folder, { recursive: true });

const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
for (const colorScheme of ['light', 'dark']) {
  const context = await browser.newContext({ viewport: SIZE, colorScheme });
  await context.addCookies([{ name: 'audit_token', value: token, url: address }]);
  const page = await context.newPage();
  for (const [name, path] of Object.entries(PICTURES)) {
    await page.goto(`${address}/orgs/${ORGANISATION}/${path}`);
    await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) });
    console.log(`docs/screenshots/${name}-${colorScheme}.png`);
  }
}
await browser.close();
