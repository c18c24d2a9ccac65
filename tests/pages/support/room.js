// A database and topics of a test file's own on the stack of this run, and our binaries in it.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.js';
import { dateIn } from './model.js';
import { Service } from './service.js';

export const repository = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const binaries = process.env.BIN_DIR ?? join(process.env.CARGO_TARGET_DIR ?? join(repository, 'target'), 'debug');

/** A room with its schema, ingest, rollup and the query API running, and no call yet. */
export async function openRoom(test, settings = {}) {
  await noDayEndsMeanwhile();
  const room = new Room(test);
  room.run('warehouse', ['migrate']);
  [room.ingest] = await Promise.all([room.start('ingest'), room.start('rollup')]);
  await room.startApi(settings);
  return room;
}

/** Waits, if a day of the organisations' zone ends soon: what a file calls today, or this month, must stay that. */
async function noDayEndsMeanwhile() {
  const minute = 60_000;
  const date = (minutes) => dateIn('Europe/Berlin', Date.now() + minutes * minute);
  // In the first minute of a month there are no same days of the last one.
  while (date(-1.5) !== date(4)) await new Promise((resolve) => setTimeout(resolve, 1_000));
}

class Room {
  #environment;
  #services = [];

  constructor(test) {
    const stack = stackVariables();
    const name = `pages_${test}_${randomBytes(4).toString('hex')}`;
    this.reader = { CLICKHOUSE_USER: stack.CLICKHOUSE_READER_USER, CLICKHOUSE_PASSWORD: stack.CLICKHOUSE_READER_PASSWORD };
    this.#environment = {
      ...process.env,
      KAFKA_BROKERS: stack.KAFKA_BROKERS,
      KAFKA_GROUP_ID: `${name}.ingest`,
      KAFKA_CALLS_TOPIC: `${name}.calls`,
      KAFKA_DIRECTORY_TOPIC: `${name}.directory`,
      KAFKA_DEAD_LETTER_TOPIC: `${name}.dead-letter`,
      KAFKA_CALLS_PARTITIONS: '4',
      CLICKHOUSE_URL: stack.CLICKHOUSE_URL,
      CLICKHOUSE_USER: stack.CLICKHOUSE_USER,
      CLICKHOUSE_PASSWORD: stack.CLICKHOUSE_PASSWORD,
      CLICKHOUSE_DATABASE: name,
      OPS_LISTENER: '127.0.0.1:0',
      AUTH_KEY: randomBytes(32).toString('hex'),
      TELEMETRY_FORMAT: 'text',
    };
    this.name = name;
  }

  /** Runs one of our binaries to its end; its standard output. */
  run(binary, args, { input, environment } = {}) {
    const env = { ...this.#environment, TELEMETRY_LEVEL: 'error', ...environment };
    return execFileSync(join(binaries, binary), args, { env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** Starts one of our services and waits until it is ready. */
  async start(binary, environment = {}) {
    const service = new Service(join(binaries, binary), { ...this.#environment, ...environment });
    this.#services.push(service);
    await service.ready();
    return service;
  }

  /** Starts the query API; `address` is where it is served from now on. */
  async startApi(settings = {}) {
    const api = { ...this.reader, HTTP_LISTENER: '127.0.0.1:0', PAGES_SIGN_IN_LINKS: 'true', ...settings };
    this.api = await this.start('query-api', api);
    this.address = (await this.api.says('API on http://')).match(/API on (http:\/\/[^,\s]+)/)[1];
  }

  /** Publishes lines of the directory, as `emit directory` takes them. */
  tell(lines) {
    this.#emit('directory', this.#environment.KAFKA_DIRECTORY_TOPIC, lines);
  }

  /** Publishes calls, as `emit calls` takes them. */
  publish(lines) {
    this.#emit('calls', this.#environment.KAFKA_CALLS_TOPIC, lines);
  }

  #emit(kind, topic, lines) {
    const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    this.run('emit', [kind, '--topic', topic, '-'], { input });
  }

  /** A token for organisations, made by the operators' command. */
  token(orgs, permissions = ['billing:view']) {
    return this.run('query-api', ['token', ...named('--org', orgs), ...named('--permission', permissions)]).trim();
  }

  /** A link that signs a browser in, once. */
  link(orgs) {
    const environment = { PAGES_SIGN_IN_LINKS: 'true' };
    return this.run('query-api', ['sign-in-link', ...named('--org', orgs), '--base-url', this.address], { environment }).trim();
  }

  /** What the API answers to a path of an organisation. */
  async ask(org, path) {
    const response = await fetch(`${this.address}/v1/orgs/${org}/${path}`, {
      headers: { authorization: `Bearer ${this.token([org])}` },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.headers.get('content-type').includes('json') ? response.json() : response.text();
  }

  /** Waits until an organisation has so many calls in a range. */
  async counts(org, calls, query) {
    await eventually(`${calls} calls of ${org}`, async () => {
      const { totals } = await this.ask(org, `breakdowns?${query}`);
      if (totals.calls !== calls) throw new Error(`${totals.calls} calls`);
    });
  }

  /** Ends all services. */
  async close() {
    await Promise.all(this.#services.reverse().map((service) => service.stop()));
  }
}

function named(flag, values) {
  return values.flatMap((value) => [flag, value]);
}

/** The environment of the stack of this run. */
export function stackVariables() {
  const dir = process.env.AUDIT_TEST_STACK;
  if (!dir) {
    throw new Error(
      'no stack for tests: run `make test`, or start one with `deploy/local/stack start --free-ports --dir DIR` and set ' +
        'AUDIT_TEST_STACK=DIR',
    );
  }
  const lines = readFileSync(join(dir, 'stack.env'), 'utf8').split('\n').filter(Boolean);
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
}
