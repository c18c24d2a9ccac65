// A room in which every state of the pages can be reached: organisations of every size, a call that was told of again, an
// engine that fails or lets wait on demand, and an ingest that can fall behind.

import { eventually } from './eventually.js';
import { openProxy } from './proxy.js';
import { openRoom, stackVariables } from './room.js';
import { furnish } from './world.js';

/** Members and models of the organisation `crowd`: more than the pages list at once. */
export const CROWD = { members: 120, models: 60 };

/** Opens the room and waits until all its calls are counted. */
export async function openStage(test) {
  const proxy = await openProxy(stackVariables().CLICKHOUSE_URL);
  const stage = { proxy, room: undefined, visits: 0 };
  try {
    const room = (stage.room = await openRoom(test, { CLICKHOUSE_URL: proxy.url, PAGES_SIGN_IN_URL: 'https://app.example/sign-in' }));
    stage.world = await furnish(room);
    await furnishGrand(stage);
    await furnishCrowd(stage);
    stage.told = await tellAgain(stage);
  } catch (error) {
    await closeStage(stage);
    throw error;
  }
  return stage;
}

/** Ends everything. */
export async function closeStage(stage) {
  await stage?.room?.close();
  await stage?.proxy.close();
}

/** Stops ingest for good, and serves pages that say so from one second on. */
export async function fallBehind(stage) {
  if (stage.isBehind) return;
  stage.isBehind = true;
  const { room, proxy } = stage;
  room.ingest.freeze();
  await room.startApi({ CLICKHOUSE_URL: proxy.url, PAGES_BEHIND_AFTER: '1s' });
}

/** A call of last month with other values, that no other call of the room shares its amount with. */
function like({ calls: [call] }, values) {
  const { provider_cost, currency, credits, ...common } = call;
  return { ...common, ...values };
}

/** `grand`: amounts with all the digits that the contract allows. */
async function furnishGrand({ room, world }) {
  const common = { org_id: 'grand', member_id: 'ada', reason: 'summarize_cv' };
  const charges = [
    { credits: '123456.789012345678' },
    { provider_cost: '98765.432109876543', currency: 'CHF' },
    { provider_cost: '123456789012.000000000001', currency: 'XTS' },
  ];
  room.publish(charges.map((charge) => like(world, { ...common, ...charge })));
  await room.counts('grand', charges.length, 'range=last_month');
}

/** `crowd`: more members and models than a page lists. */
async function furnishCrowd({ room, world }) {
  const numbers = Array.from({ length: CROWD.members }, (_, number) => number);
  const organisation = { short_name: 'crowd', display_name: 'The Crowd & Company', time_zone: world.zone };
  const person = (number) => ({ member_id: `person-${number}`, name: `Person ${number + 1}`, email: `person-${number + 1}@crowd.example` });
  room.tell([{ org_id: 'crowd', organisation }, ...numbers.map((number) => ({ org_id: 'crowd', member: person(number) }))]);
  room.publish(
    numbers.map((number) => {
      const model = `model-${number % CROWD.models}`;
      return like(world, { org_id: 'crowd', member_id: `person-${number}`, provider: 'openai', model, credits: `${1_000 - 7 * number}.5` });
    }),
  );
  await room.counts('crowd', CROWD.members, 'range=last_month');
}

/** A call that was told of three times, once with another amount; its event id, and the id of one that was told of once. */
async function tellAgain({ room }) {
  const { calls } = await room.ask('acme', 'calls?range=last_month&limit=200');
  const again = calls.find((call) => call.credits !== null);
  const byok = calls.find((call) => call.credits === null);
  const { event_id, occurred_at, reason, provider, model, input_tokens, output_tokens, credits } = again;
  const call = { event_id, occurred_at, org_id: 'acme', member_id: again.member.member_id, reason, provider, model, input_tokens, output_tokens };
  room.publish([{ ...call, credits }, { ...call, credits: '77.5', model: 'another-model' }]);
  await eventually('both to be kept', async () => {
    const { repeats, conflicts } = await room.ask('acme', `calls/${event_id}`);
    if (repeats.length + conflicts.length !== 2) throw new Error(`${repeats.length} repeats, ${conflicts.length} conflicts`);
  });
  return { again: event_id, byok: byok.event_id };
}
