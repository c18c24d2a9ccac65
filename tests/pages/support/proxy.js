// Stands before the real ClickHouse, fails what a test wants to fail, and keeps waiting what it wants to wait.

import { createServer, request } from 'node:http';

/**
 * A proxy to the engine; `fails(statement)` decides what gets an error in the place of its answer, `holds(statement)` what
 * gets none before `release`.
 */
export async function openProxy(target) {
  const proxy = { fails: () => false, holds: () => false };
  const held = [];
  proxy.release = () => {
    proxy.holds = () => false;
    for (const goOn of held.splice(0)) goOn();
  };
  const server = createServer((asked, answer) => {
    const chunks = [];
    asked.on('data', (chunk) => chunks.push(chunk));
    asked.on('end', async () => {
      const body = Buffer.concat(chunks);
      const statement = `${decodeURIComponent(asked.url)}\n${body}`;
      if (proxy.holds(statement)) await new Promise((goOn) => held.push(goOn));
      if (proxy.fails(statement)) {
        answer.writeHead(500, { 'X-ClickHouse-Exception-Code': '159' });
        answer.end('Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)');
        return;
      }
      const { hostname, port } = new URL(target);
      const onward = request({ hostname, port, path: asked.url, method: asked.method, headers: asked.headers }, (answered) => {
        answer.writeHead(answered.statusCode, answered.headers);
        answered.pipe(answer);
      });
      onward.on('error', () => answer.destroy());
      onward.end(body);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.close = () => {
    proxy.release();
    return new Promise((resolve) => (server.closeAllConnections(), server.close(resolve)));
  };
  return proxy;
}
