// Waiting for a condition with a deadline, and saying what was seen instead.

const LIMIT_MS = 60_000;
const PAUSE_MS = 20;

/** What `look` returns, once it does not throw. */
export async function eventually(what, look) {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    try {
      return await look();
    } catch (seen) {
      if (Date.now() > deadline) throw new Error(`waited ${LIMIT_MS} ms for ${what}; at last: ${seen.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
