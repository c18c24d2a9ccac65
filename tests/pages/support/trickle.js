// Stands between the browser and a service, as a slow line does: a page comes piece by piece, whatever else at once.

import { createServer, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

const PIECE_BYTES = 2000;
/** Long enough for the browser to show what it has. */
const PAUSE_MS = 40;

/** Such a line to `target`, open until `close`. */
export async function openTrickle(target) {
  const { hostname, port } = new URL(target);
  const server = createServer((asked, answer) => {
    // Not packed, so that each piece can be read alone.
    const headers = { ...asked.headers, 'accept-encoding': 'identity' };
    const onward = request({ hostname, port, path: asked.url, method: asked.method, headers }, async (answered) => {
      answer.writeHead(answered.statusCode, answered.headers);
      const isPage = answered.headers['content-type']?.startsWith('text/html');
      for await (const chunk of answered) {
        const piece = isPage ? PIECE_BYTES : chunk.length;
        for (let start = 0; start < chunk.length; start += piece) {
          answer.write(chunk.subarray(start, start + piece));
          if (isPage) await wait(PAUSE_MS);
        }
      }
      answer.end();
    });
    onward.on('error', () => answer.destroy());
    asked.pipe(onward);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve)));
  return { address: `http://127.0.0.1:${server.address().port}`, close };
}
