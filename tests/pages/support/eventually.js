// Waiting for a condition with a deadline, and saying what was seen instead.

const LIMIT_MS = 180_000;
const PAUSE_MS = 20;

/** What `look` returns, once it does not throw. */
export async function eventually(what, look, limit_ms = LIMIT_MS) {
  const deadline = Date.now() + limit_ms;
  for (;;) {
    try {
      return await look();
    } catch (seen) {
      if (Date.now() > deadline) throw new Error(`waited ${limit_ms} ms for ${what}; at last: ${seen.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** As `eventually`, for what a page shows after a click. */
export function soon(what, look) {
  return eventually(what, look, LIMIT_MS);
}
