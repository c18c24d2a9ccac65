// The right answers, by counting calls one by one. Nothing here is shared with the product.

const DIGITS = 12n;
const ONE = 10n ** DIGITS;

/** An exact decimal text as a number of 10^-12. */
export function units(text) {
  const [whole, fraction = ''] = text.replaceAll(',', '').split('.');
  return BigInt(whole) * ONE + BigInt(fraction.padEnd(Number(DIGITS), '0'));
}

/** All digits that count: `12480.5`. */
export function decimal(amount) {
  const fraction = (amount % ONE).toString().padStart(Number(DIGITS), '0').replace(/0+$/, '');
  return fraction ? `${amount / ONE}.${fraction}` : `${amount / ONE}`;
}

/** The sum of decimal texts. */
export function sum(texts) {
  return texts.reduce((total, text) => total + units(text), 0n);
}

/** The date of an instant where somebody is: `2026-11-24`. */
export function dateIn(zone, instant) {
  return new Intl.DateTimeFormat('en-CA', { timeZone: zone, dateStyle: 'short' }).format(new Date(instant));
}

/** A date some days later. */
export function addDays(date, days) {
  const later = new Date(`${date}T12:00:00Z`);
  later.setUTCDate(later.getUTCDate() + days);
  return later.toISOString().slice(0, 10);
}

/** The month before one: `2026-10` of `2026-11`. */
export function monthBefore(month) {
  return addDays(`${month}-01`, -1).slice(0, 7);
}

/** First and last day of a range, both inclusive. */
export function daysOf(range, today) {
  const wholeMonth = (month) => {
    const next = addDays(`${month}-28`, 4).slice(0, 7);
    return [`${month}-01`, addDays(`${next}-01`, -1)];
  };
  const month = today.slice(0, 7);
  switch (range) {
    case 'last_month':
      return wholeMonth(monthBefore(month));
    case 'last_30_days':
      return [addDays(today, -29), today];
    default:
      return wholeMonth(month);
  }
}

/** The calls that a filter keeps, newest first. */
export function matching(world, { range = 'this_month', since, until, members, reasons, models, byok } = {}) {
  const today = dateIn(world.zone, Date.now());
  const [first, last] = since ? [since, until] : daysOf(range, today);
  const one = (wanted, value) => !wanted?.length || wanted.includes(value);
  const kept = world.calls.filter((call) => {
    const date = dateIn(world.zone, call.occurred_at);
    return (
      first <= date &&
      date <= last &&
      one(members, call.member_id) &&
      one(reasons, call.reason) &&
      one(models, `${call.provider}/${call.model}`) &&
      (!byok || (byok === 'only') === Boolean(call.currency))
    );
  });
  return kept.sort((a, b) => (a.occurred_at < b.occurred_at ? 1 : -1));
}

/** Credits, calls and cost by currency of some calls. */
export function totals(calls) {
  const cost = {};
  for (const call of calls.filter((call) => call.currency)) {
    cost[call.currency] = decimal(sum([cost[call.currency] ?? '0', call.provider_cost]));
  }
  return { credits: decimal(sum(calls.map((call) => call.credits ?? '0'))), calls: calls.length, cost };
}

/** Totals by a key of the calls, most credits first, then most calls. */
export function grouped(calls, keyOf) {
  const groups = Map.groupBy ? Map.groupBy(calls, keyOf) : groupBy(calls, keyOf);
  const rows = [...groups].map(([key, calls]) => ({ key, ...totals(calls) }));
  return rows.sort((a, b) => compare(units(b.credits), units(a.credits)) || b.calls - a.calls);
}

function groupBy(calls, keyOf) {
  const groups = new Map();
  for (const call of calls) groups.set(keyOf(call), [...(groups.get(keyOf(call)) ?? []), call]);
  return groups;
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
