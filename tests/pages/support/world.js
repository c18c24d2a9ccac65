// An organisation with everything that a page may get wrong: names that are markup, emoji or written from right to
// left, an e-mail of three hundred characters, a model that is a formula, members who left or were never told of.

import { addDays, dateIn, monthBefore } from './model.js';

const LONG_NAME = `Maximiliane ${'von und zu Hohenstein-'.repeat(6)}Ende`;
const LONG_EMAIL = `${'long.'.repeat(57)}xy@acme.example`;

const MEMBERS = [
  ['ada', 'Ada Lovelace', 'ada@acme.example'],
  ['bo', 'Bo Li', 'bo@acme.example'],
  ['chen', 'Chen <b>Wei</b>', 'chen@acme.example'],
  ['script', '<script>document.title="hacked"</script>', 'script@acme.example'],
  ['emoji', '🦊 Zoë 👩‍👩‍👧', 'zoe@acme.example'],
  ['rtl', 'ليلى حداد', 'leila@acme.example'],
  ['long', LONG_NAME, LONG_EMAIL],
  ['dee', 'Dee', 'dee@acme.example'],
  ['eve', 'Eve', 'eve@acme.example'],
];
const REMOVED = ['gone-1', 'gone-2'];
/** Calls, though no directory told of them. */
const UNTOLD = 'ghost';

const MODELS = [
  ['openai', 'gpt-6-sol'],
  ['anthropic', 'claude-opus-5'],
  ['openai', '=1+1'],
  ['mistral', 'mistral-large'],
  ['a/b', 'c/d%2F'],
];
const REASONS = ['chat', 'generate_field', 'summarize_cv', 'web_research'];

export const ZONE = 'Europe/Berlin';
export const EMAIL_OF = Object.fromEntries(MEMBERS.map(([id, , email]) => [id, email]));
export const NAME_OF = Object.fromEntries(MEMBERS.map(([id, name]) => [id, name]));

/** Publishes the organisation `acme`, and `silent` that never had a call; waits until all calls are counted. */
export async function furnish(room, { thisMonth = 70, lastMonth = 130 } = {}) {
  room.tell([
    organisation('acme', 'Acme GmbH', ZONE),
    organisation('silent', 'Silent Partners', 'UTC'),
    ...MEMBERS.map(([member_id, name, email]) => ({ org_id: 'acme', member: { member_id, name, email } })),
    ...REMOVED.map((member_id) => ({
      org_id: 'acme',
      member: { member_id, name: 'Somebody', email: `${member_id}@acme.example`, removed: true },
    })),
  ]);
  const world = { zone: ZONE, calls: callsOf(thisMonth, lastMonth) };
  room.publish(world.calls);
  await room.counts('acme', thisMonth, 'range=this_month');
  await room.counts('acme', lastMonth, 'range=last_month');
  return world;
}

function organisation(org_id, display_name, time_zone) {
  return { org_id, organisation: { short_name: org_id, display_name, time_zone } };
}

/** Calls spread over this month so far and over last month; every number follows from the call's own. */
function callsOf(thisMonth, lastMonth) {
  const now = Date.now();
  const today = dateIn(ZONE, now);
  const first = firstInstant(`${today.slice(0, 7)}-01`);
  const before = firstInstant(`${monthBefore(today.slice(0, 7))}-01`);
  const spread = (from, to, count, offset) =>
    Array.from({ length: count }, (_, n) => call(offset + n, from + Math.floor(((to - from) * (n + 1)) / (count + 1))));
  return [...spread(before, first, lastMonth, 0), ...spread(first, now, thisMonth, lastMonth)];
}

function call(number, instant) {
  const ids = [...MEMBERS.map(([id]) => id), ...REMOVED, UNTOLD];
  // The first ones call more often, so that there is an order among members, models and reasons.
  const pick = (values, salt) => {
    const place = (Math.imul(number + 1, 2654435761 + salt) >>> 8) % (2 * values.length);
    return values[place < values.length ? place : (place - values.length) >> 1];
  };
  const [provider, model] = pick(MODELS, 2);
  const common = {
    occurred_at: new Date(instant).toISOString(),
    org_id: 'acme',
    member_id: pick(ids, 4),
    reason: pick(REASONS, 6),
    provider,
    model,
    input_tokens: 1_000 + ((number * 37) % 5_000),
    output_tokens: (number * 13) % 900,
  };
  if (number % 11 === 3) return { ...common, provider_cost: `0.00${number}4`, currency: number % 2 ? 'USD' : 'EUR' };
  return { ...common, credits: `${(number * 17) % 23}.${(number * 7919) % 1000}5` };
}

/** The first instant of a date in a zone. */
export function firstInstant(date, zone = ZONE) {
  // No zone is more than 14 hours from UTC: look for the first quarter hour that has this date.
  for (let instant = Date.parse(`${addDays(date, -1)}T00:00:00Z`); ; instant += 900_000) {
    if (dateIn(zone, instant) === date) return instant;
  }
}
